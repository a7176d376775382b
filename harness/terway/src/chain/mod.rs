//! Terway's chain in a cluster: reading it, changing it as one operation, and restoring it.
//!
//! | module | what it does |
//! |---|---|
//! | [`handle`] | the connection to a cluster: a context of the user's, or a cluster of ours |
//! | [`state`] | reads: the ConfigMap, the DaemonSet, its nodes, their conflists and plugins, the pods on them |
//! | [`saved`] | the old ConfigMap, saved on disk and as a copy in the cluster |
//! | [`apply`] | keeps, writes, restarts, awaits, compares, proves by canaries; restores if a step fails |
//! | [`restore`] | restores: at once, by `chain restore`, or by `gc` for a dead run |
//! | [`operations`] | `plumbline chain` on a cluster |
//!
//! [`plumbline_core::terway`] decides what is right; this module reads and writes.

pub mod apply;
mod canary;
pub mod handle;
mod node_files;
pub mod operations;
mod restart;
pub mod restore;
pub mod saved;
pub mod state;

pub use restore::ChainUndo;
