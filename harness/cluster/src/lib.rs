//! kind clusters of a profile: bring-up in ordered steps, checks, sharing under leases, and removal.
//!
//! The order of the modules, lowest first. A module uses only modules above it in this list:
//!
//! 1. [`naming`]: names and labels of Plumbline's objects
//! 2. [`profile`]: the profiles in `clusters`
//! 3. [`choice`]: the profile if none is named
//! 4. [`step`]: the steps of bring-up, in order
//! 5. [`record`]: the record of a cluster on this host
//! 6. [`kind_types`]: kind's configuration as types
//! 7. [`kind_config`]: kind's configuration of a profile
//! 8. `proof`: whether a proof that a network works is still valid
//! 9. `write_files`: writing files on a node
//! 10. [`agent_session`]: sessions with agents in containers
//! 11. [`node`]: the nodes of a cluster
//! 12. [`uplink`]: networks that connect the nodes' bridges with external hosts
//! 13. [`undo`]: removing clusters, and the incomplete clusters of dead runs
//! 14. `kind_tool`: calls of kind
//! 15. [`images`]: the images of a profile
//! 16. [`plugins`]: the plugins on the nodes
//! 17. [`bridges`]: bridges on the nodes
//! 18. [`network`]: the default network of a profile without a provider
//! 19. [`canary`]: canary pods
//! 20. [`multus`]: installing Multus
//! 21. `restart`: starting stopped nodes
//! 22. [`cluster`]: a running cluster, and the trait of products that create its default network
//! 23. `bringup`: each step's check and work
//! 24. `proof_steps`: the steps that run canary pods
//! 25. [`up`](mod@up): bring-up and removal under leases, for the lane and the command

pub mod agent_session;
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
pub mod record;
mod restart;
pub mod step;
pub mod undo;
pub mod up;
pub mod uplink;
mod write_files;

pub use cluster::Cluster;
pub use undo::ClusterUndo;
pub use up::{down, lock_exclusively, repair, up};
