//! The kind lane: a real cluster, with Multus, reached by kube and by the agent on its nodes.
//!
//! [`stage`] makes what a plan asks for (what is not Kubernetes' in [`outside`]), [`plumbline_kube::readiness`] waits for
//! its pods, [`observe`] reads them, [`parties`] sends and captures, [`scene`] takes them down again, [`sandbox_removal`]
//! sees them gone, and [`leases`] and [`traces`] look at what stays. The cluster itself is in [`plumbline_cluster`].

mod host;
mod lane;
mod leases;
pub mod observe;
mod outside;
pub mod packet_leases;
mod parties;
pub mod placement;
mod sandbox_removal;
mod scene;
pub mod stage;
mod traces;
mod unattached;

pub use lane::{KindLane, OpenKind};
pub use scene::{KindScenario, Staged};
