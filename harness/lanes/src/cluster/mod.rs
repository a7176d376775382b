//! A cluster of a profile: brought up by ordered steps, checked, shared under leases, and taken down.
//!
//! [`profile`] and [`kindconfig`] are what is written under `clusters/`, read strictly; [`step`] leads through the
//! steps of bring-up, [`bringup`] says what each one looks at and does; [`up`] is the door for the lane and the
//! command; [`warm`] is the cluster that comes of it; [`mend`] breaks it and puts it right, for tests;
//! [`terway`] is the default network of profiles that have it.

mod again;
pub mod bridges;
mod bringup;
pub mod canary;
pub mod choice;
pub mod config;
pub mod images;
pub mod kindconfig;
mod kindtool;
pub mod mend;
pub mod multus;
pub mod naming;
pub mod network;
pub mod node;
pub mod objects;
pub mod own;
pub mod plugins;
pub mod profile;
mod proving;
mod put;
pub mod record;
pub mod render;
pub mod rollout;
pub mod step;
pub mod talk;
pub mod terway;
mod undo;
pub mod up;
pub mod uplink;
pub mod warm;
pub mod yaml;

pub use undo::KubeUndo;
pub use up::{again, alone, down, up};
pub use warm::Cluster;
