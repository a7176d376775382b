//! The kind lane: a real cluster with Multus, reached through the API server and through the agent on its nodes.
//!
//! [`stage`] makes what a plan requests: [`pods`] applies its pods and workloads, and [`packet_endpoints`] makes what is not
//! Kubernetes'. [`observe`] reads the pods, [`probes`] sends and captures packets, [`scenario`] ties these together and
//! removes them, and [`leaks`] reads what remains on the nodes. The cluster itself is in [`plumbline_cluster`].

mod host;
mod lane;
mod leaks;
mod observe;
mod packet_endpoints;
mod packet_leases;
mod placement;
mod pods;
mod probes;
mod scenario;
mod stage;
mod unattached;

pub use lane::{KindLane, OpenKind};
