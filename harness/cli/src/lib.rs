//! The `plumbline` command's library: what other people's Rust tests use, and what the command itself is made of.
//!
//! Tests take everything from [`prelude`]: open a lane once, stage a scenario or a plan, observe, judge.
//! [`runner`] runs whole plans over lanes. [`root`] finds the folder with `clusters/`, `images/` and `suites/`.

pub mod capability;
pub mod chain;
pub mod doctor;
pub mod exit;
pub mod expected;
pub mod face;
pub mod fault;
pub mod interrupt;
pub mod prelude;
pub mod registry;
pub mod requirements;
pub mod root;
pub mod runner;
pub mod select;
pub mod session;
pub mod stored_evidence;
