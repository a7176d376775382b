//! What any Kubernetes cluster needs, whoever made it: a client, objects, readiness, events, exec, adaptation of pods.
//!
//! [`objects`] applies and names objects, [`manifests`] reads this project's own files. [`rollout`] waits for nodes and
//! daemon sets, [`readiness`] for pods, with what [`runtime_log`] says of them. [`exec`] runs `ip` in a pod,
//! [`reported`] brings CNI results and the network-status annotation together. [`adaptation`] and [`namespaces`] change a
//! written pod so that it can run on a cluster.

pub mod adaptation;
pub mod client;
pub mod cluster_ranges;
pub mod exec;
pub mod manifests;
pub mod namespaces;
pub mod objects;
pub mod readiness;
pub mod reported;
pub mod rollout;
pub mod runtime_log;
pub mod undo;
