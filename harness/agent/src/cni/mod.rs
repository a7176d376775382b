//! Our own CNI runner, by the spec (1.1.0; 0.3.1 and later are run) and by what libcni does where the spec is silent.
//!
//! | module | what is in it |
//! |---|---|
//! | [`config`] | reading a conf or conflist; the configuration handed to each plugin |
//! | [`names`] | which network names, container ids and interface names libcni lets through; comparing versions |
//! | [`plugins`] | the plugins of the node and where they were looked for |
//! | [`call`] | one call of one plugin |
//! | [`busy`] | trying files again that are still being written |
//! | [`chain`] | ADD and CHECK forward, DEL backward |
//! | [`cache`] | the result cache in libcni's format |
//! | [`versions`] | asking plugins for their versions, to learn whether they start |

pub mod busy;
pub mod cache;
pub mod call;
pub mod chain;
pub mod config;
pub mod encode;
pub mod names;
pub mod plugins;
pub mod versions;

pub use plugins::{FOLDER, Plugins};
