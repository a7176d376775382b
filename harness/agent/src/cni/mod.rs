//! Plumbline's CNI runner: by the specification (1.1.0; versions since 0.3.1 are run), and by libcni where the specification is
//! silent.
//!
//! | module | what is in it |
//! |---|---|
//! | [`config`] | parsing a network configuration; the configuration of each plugin; names and versions |
//! | [`call`] | one call of one plugin |
//! | [`attached_chains`] | the chains that a container runtime ran, from its records |
//! | [`chain`] | ADD and CHECK forward, DEL backward |
//! | [`versions`] | the versions of plugins, to see whether they start |

pub mod attached_chains;
pub mod call;
pub mod chain;
pub mod config;
pub mod versions;
