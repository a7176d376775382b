//! The lanes: how a plan becomes facts.
//!
//! A lane is one folder here and one line in [`registry`]. Lanes never decide a verdict.

pub mod agent;
pub mod chain;
pub mod cluster;
pub mod context;
pub mod host;
pub mod kind;
pub mod lane;
pub mod netns;
pub mod registry;
pub mod traces;
pub mod vm;
pub mod wire;
