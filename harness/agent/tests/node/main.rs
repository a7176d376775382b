//! The agent as a whole: private nodes on this host, plugins that are shell scripts, and the host afterwards.
//!
//! The tests need no network and no real plugins. They fail where the host allows no private node.

mod agent;
mod chains;
mod containers;
mod faults;
mod host;
mod nodes;
mod record;
mod rootless;
mod served;
mod states;
mod testbed;
mod wire;
