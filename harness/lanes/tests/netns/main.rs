//! The netns lane on this host: private nodes, upstream's plugins, and scripts as plugins that fail.
//!
//! Agent and plugins come from the cache, which is filled if it is empty (or from the developer's variables, see
//! `plumbline_lanes::netns::binaries`).

mod faults;
mod keep;
mod nodes;
mod seed;
mod testbed;
