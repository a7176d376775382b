//! The lint: what is wrong in users' texts, found without a run.
//!
//! ```text
//! texts -> documents -> objects (networks, pods, eni-config) -> crate::rules, crate::terway -> Report
//! ```
//! Objects that are no subject of the lint are counted and left alone. The engine is pure: the caller reads files,
//! archives and clusters, and shows the report.

mod annotation_types;
pub(crate) mod documents;
mod engine;
pub(crate) mod file_kind;
mod objects;
mod owners;
mod report;

pub use crate::rules::{ClusterFacts, ReleaseError, Releases};
pub use report::{FileOrigin, IGNORE, Ignored, InputFile, Options, Report};

/// Lints texts together: what they say of each other counts too.
pub fn lint(files: &[InputFile], options: &Options) -> Report {
    engine::lint(files, options)
}
