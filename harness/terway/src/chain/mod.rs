//! Terway's chain in a cluster: looked at, changed as one operation, and put back.
//!
//! | module | what it does |
//! |---|---|
//! | [`handle`] | how a cluster is reached: a context of the user's, or a cluster of ours |
//! | [`state`] | reads: the ConfigMap, the DaemonSet, its nodes, their conflists and plugins, the pods on them |
//! | [`saved`] | the old ConfigMap, kept on disk and as a copy in the cluster until it is not wanted any more |
//! | [`apply`] | keeps, writes, restarts, awaits, compares, proves by canaries; puts back where any of it fails |
//! | [`restore`] | puts back: at once, at the next `chain restore`, or by `gc` when a run died |
//!
//! What is right and wrong is said by [`plumbline_core::terway`]; here it is only looked and done.

pub mod apply;
mod canary;
pub mod handle;
mod node_files;
mod restart;
pub mod restore;
pub mod saved;
pub mod state;

pub use restore::ChainUndo;
