//! The agent as a whole: private nodes made on this host, plugins that are shell scripts, and what is left afterwards.
//!
//! Where the host allows no private node at all these tests fail; they need no network and no plugins.

mod bed;
mod beds;
mod chains;
mod faults;
mod host;
mod outside;
mod record;
mod served;
mod talk;
mod user;
mod wire;
