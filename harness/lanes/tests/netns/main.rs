//! The netns lane on this host: real nodes, real plugins, and plugins made to fail.
//!
//! Agent and plugins come from the cache, which is filled where it is empty (or from the developer's variables, see
//! `plumbline_lanes::netns::binaries`).

mod faults;
mod kept;
mod nodes;
mod seed;
mod testbed;
