//! Pictures of a scenario: what is there before any pod, pods with what is asked of them, and after a run what the
//! kernel holds and which way packets went.
//!
//! | module | what is in it |
//! |---|---|
//! | [`model`] | what a picture shows, as data |
//! | [`build`] | from a plan (and an observation) to that |
//! | `asked`, `seen` | an attachment's lines: what is asked of it, and what was found of that |
//! | `paths` | the ways of packets |
//! | `captured` | what captures showed of one of them |
//! | [`text`], [`mermaid`], [`svg`] | the three writers |
//!
//! All of it is pure: the same plan and observation give the same picture. Words stand beside every colour. A picture
//! shows; it decides nothing: findings come from the judge.

mod asked;
mod build;
mod captured;
pub mod mermaid;
pub mod model;
mod paths;
mod seen;
pub mod svg;
pub mod text;

pub use build::graph;
pub use model::Graph;
