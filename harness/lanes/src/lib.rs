//! The lanes: how a plan becomes facts.
//!
//! A lane is one folder here and one entry in the registry of the command. Lanes never decide a verdict.

pub mod agent;
pub mod host;
pub mod kind;
pub mod lane;
pub mod netns;
pub mod traces;
pub mod vm;
pub mod wire;

pub use plumbline_testbed::context;
