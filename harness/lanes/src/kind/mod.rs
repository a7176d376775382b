//! The kind lane: a real cluster, with Multus, reached by kube and by the agent on its nodes.
//!
//! [`stage`] makes what a plan asks for, [`ready`] waits for its pods, [`observe`] reads them, [`scene`] takes them
//! down again. The cluster itself is in [`crate::cluster`].

pub mod adapt;
mod doubt;
pub mod exec;
pub mod heard;
pub mod isolation;
mod lane;
pub mod observe;
pub mod ready;
pub mod reported;
mod scene;
pub mod stage;

pub use lane::{KindLane, OpenKind};
pub use scene::{KindScene, Staged};
