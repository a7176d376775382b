//! kind clusters of a profile: brought up by ordered steps, checked, shared under leases, and taken down.
//!
//! [`profile`] and [`kind_types`] are what is written under `clusters/`, read strictly; [`step`] goes through the
//! steps of bring-up, [`bringup`] says what each one checks and makes; [`up()`] is the entry for the lane and the command;
//! [`cluster`] is what comes of it; [`breakage`] breaks it and repairs it, for tests. [`provider`] is the trait of products
//! that make the default network; this crate knows none by name.

pub mod agent_session;
pub mod breakage;
pub mod bridges;
mod bringup;
pub mod canary;
pub mod choice;
pub mod cluster;
pub mod images;
pub mod kind_config;
mod kind_tool;
pub mod kind_types;
pub mod multus;
pub mod naming;
pub mod network;
pub mod node;
pub mod plugins;
pub mod profile;
mod proof;
mod proof_steps;
pub mod provider;
mod put;
pub mod record;
mod restart;
pub mod step;
mod undo;
pub mod up;
pub mod uplink;

pub use cluster::Cluster;
pub use undo::ClusterUndo;
pub use up::{again, alone, down, up};
