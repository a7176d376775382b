//! Reports of a lint: text with source excerpts, JSON, SARIF, and annotations of GitHub. Pure.
//!
//! | module | content |
//! |---|---|
//! | [`outcome`] | what all reports show |
//! | [`excerpt`] | a finding with the line that it is about |
//! | [`text`] | the report for a terminal |
//! | [`sarif`] | SARIF 2.1.0 |
//! | [`github`] | workflow commands |

pub mod excerpt;
pub mod github;
pub mod outcome;
pub mod sarif;
pub mod text;

pub use outcome::{LintOutcome, LintVerdict};
