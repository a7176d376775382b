//! Terway's chain in a cluster: reads it, changes it as one operation, and restores it.
//!
//! | module | content |
//! |---|---|
//! | [`handle`] | the connection to a cluster: a context of the user, or a cluster of Plumbline |
//! | [`state`] | reads: the ConfigMap, the DaemonSet, its nodes, their conflists and plugins, the pods on them |
//! | [`saved`] | the old ConfigMap, saved on disk and as a copy in the cluster |
//! | [`apply`] | the steps keep, write, restart, await, compare and prove (with canaries); restores if a step fails |
//! | [`restore`] | restores: after a failure, for `chain restore`, or for `gc` after a dead run |
//! | [`operations`] | `plumbline chain` on a cluster |
//!
//! [`plumbline_core::terway`] contains the rules; this module reads and writes.

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
