//! What a test needs, in one line: `use plumbline::prelude::*;`.
//!
//! ```no_run
//! use plumbline::prelude::*;
//!
//! # async fn test() -> anyhow::Result<()> {
//! let bench = Bench::open("netns").await?;
//! let verdict = bench
//!     .with("openshift/chain-example", async |scene| {
//!         let observed = scene.observe().await?;
//!         observed.judge()
//!     })
//!     .await?;
//! verdict.passes()?;
//! # Ok(())
//! # }
//! ```

pub use crate::bench::{Bench, Judged, Observed, Staged};
pub use plumbline_core::finding::FindingCode;
pub use plumbline_core::observe::{KernelState, Observation, PodObservation};
pub use plumbline_core::plan::Plan;
pub use plumbline_core::verdict::Verdict;
pub use plumbline_lanes::context::Options;
