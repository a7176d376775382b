//! The one module that talks to the container engine, and that gets one going on a bare host.
//!
//! [`Engine`] speaks the engine's API (version 1.41 and later: Docker 20.10) over the endpoint that the user's own
//! `docker` command would use. [`setup`] is for hosts on which nothing answers there.

mod connect;
mod container;
mod endpoint;
mod exec;
mod files;
mod image;
mod network;
mod outside;
mod registry;
pub mod setup;
mod trouble;
mod undo;

pub use connect::{Engine, Info};
pub use container::{Container, Start};
pub use endpoint::Endpoint;
pub use exec::{ExecSession, Input, Output};
pub use files::{File, tar};
pub use image::Image;
pub use network::{Network, NetworkPlan};
pub use outside::{Outside, OutsidePlan};
pub use undo::{Sweeper, Swept};
