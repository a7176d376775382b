//! The testbed on this host: processes, waiting, the journal, leases, the cache, images and the container engine.
//!
//! No Kubernetes here: the crates above know that.
//!
//! Order of the modules, each uses only those before it:
//! `error`, `ids`, `cpio`, `probe`; `wait`, `folders`; `agent_client`, `exec`; `packages`, `lease`, `journal`; `build_error`, `cache`,
//! `document`; `engine`; `images`; `context`. The test `order` checks it.

pub mod agent_client;
pub mod build_error;
pub mod cache;
pub mod context;
pub mod cpio;
pub(crate) mod document;
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
