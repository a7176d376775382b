//! Pictures of a scenario: the topology, the pods with their requested state, and after a run the kernel's state and the paths
//! of packets.
//!
//! | module | what is in it |
//! |---|---|
//! | [`model`] | the content of a picture, as data |
//! | [`build`] | from a plan (and an observation) to that |
//! | `requested`, `observed` | the lines of an attachment: its requested and its observed state |
//! | `paths` | the paths of packets |
//! | `captured` | the captures of one path |
//! | [`text`], [`mermaid`], [`svg`] | the three writers |
//!
//! The module is pure: the same plan and observation give the same picture. Each colour has a word beside it. A picture
//! has no judgement of its own: findings come from the judge.

mod build;
mod captured;
pub mod mermaid;
pub mod model;
mod observed;
mod paths;
mod requested;
pub mod svg;
pub mod text;

pub use build::build_graph;
pub use model::Graph;
