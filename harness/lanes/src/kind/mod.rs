//! The kind lane: a real cluster, with Multus, reached by kube and by the agent on its nodes.
//!
//! [`stage`] makes what a plan asks for (what is not Kubernetes' in [`outside`]), [`ready`] waits for its pods,
//! [`observe`] reads them, [`parties`] sends and captures, [`scene`] takes them down again, [`gone`] sees
//! them gone and [`leases`] looks at what stays.
//! The cluster itself is in [`crate::cluster`].

pub mod adapt;
pub mod apart;
mod doubt;
pub mod exec;
mod gone;
pub mod heard;
mod host;
pub mod isolation;
mod lane;
mod leases;
pub mod observe;
mod outside;
mod parties;
pub mod place;
pub mod ready;
pub mod reported;
mod scene;
pub mod stage;
pub mod terway;

pub use lane::{KindLane, OpenKind};
pub use scene::{KindScene, Staged};
