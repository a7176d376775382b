//! The pure part of Plumbline: scenarios, plans, observations and the judge.
//!
//! One path leads through the crate:
//! scenario file -> [`scenario`] -> [`plan`] -> (a lane) -> [`observe`] -> [`judge`] -> [`verdict`].
//! No module reads files, clocks, the environment or the network.
//!
//! Order of the modules, each uses only those before it:
//! `source`, `suggestion`, `cni`, `chain`, `finding`, `plan`, `wire`, `observe`, `script`, `record`, `guest`, `protocol`,
//! `verdict`, `judge`, `event`, `scenario`, `terway`.

pub mod chain;
pub mod cni;
pub mod event;
pub mod finding;
pub mod guest;
pub mod judge;
pub mod observe;
pub mod plan;
pub mod protocol;
pub mod record;
#[cfg(feature = "files")]
pub mod scenario;
pub mod script;
pub mod source;
mod suggestion;
#[cfg(feature = "files")]
pub mod terway;
pub mod verdict;
pub mod wire;
