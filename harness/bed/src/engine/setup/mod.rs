//! Getting an engine going on a bare host.
