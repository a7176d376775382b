//! The pure heart of Plumbline.
//!
//! The one way through the house starts and ends here:
//! scenario file -> [`scenario`] -> [`plan`] -> (a lane) -> [`observe`] -> [`judge`] -> [`verdict`].
//! Nothing in this crate reads files, clocks, environment or network.

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
pub mod source;
#[cfg(feature = "files")]
pub mod terway;
pub mod verdict;
pub mod wire;
mod words;
