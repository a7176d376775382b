//! The test bed: processes, waiting, the journal, leases, caches, images and the container engine.
//!
//! No Kubernetes here: the lanes know that.

pub mod agent_client;
pub mod cache;
pub mod context;
pub mod cpio;
pub mod engine;
pub mod error;
pub mod exec;
pub mod folders;
pub mod ids;
pub mod images;
pub mod journal;
pub mod lease;
pub mod packages;
pub mod probe;
pub mod wait;
