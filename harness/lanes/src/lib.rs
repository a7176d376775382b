//! The lanes: how a plan becomes facts.
//!
//! A lane is one folder here and one line in [`registry`]. Lanes never decide a verdict.

pub mod context;
pub mod lane;
pub mod registry;
