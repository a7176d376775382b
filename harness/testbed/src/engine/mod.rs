//! The only module that uses the container engine's API and starts an engine on a bare host.
//!
//! [`Engine`] uses the engine's API (version 1.41 and later: Docker 20.10) at the endpoint that the user's own
//! `docker` command would use. [`setup`] is for hosts without a running engine.
//!
//! Order of the files, each uses only those before it: `endpoint`, `fault`, `connect`; the methods of [`Engine`] in `exec`,
//! `files`, `container`, `image`, `network`, `external_host`; `undo`; `setup`.

mod connect;
mod container;
mod endpoint;
mod exec;
mod external_host;
mod fault;
mod files;
mod image;
mod network;
pub mod setup;
mod undo;

pub use connect::{Engine, EngineInfo};
pub use container::{Container, ContainerPlan};
pub use endpoint::Endpoint;
pub use exec::{ExecSession, Input, Output};
pub use external_host::{ExternalHost, ExternalHostPlan};
pub use files::{ArchiveFile, tar};
pub use image::EngineImage;
pub use network::{Network, NetworkPlan};
pub use undo::{SweepResult, Sweeper};
