//! The netns lane: real plugin binaries on a private node, by the agent.
//!
//! Each scenario has a node of its own, or several with what joins them: an agent that is PID 1 of user (where needed), mount, PID, network, IPC and UTS
//! namespaces. Nothing of it shows on the host, so any number run side by side with the same names and addresses.
//! The pods of one node are made one after another, since the agent has one thread.
//!
//! | module | what is in it |
//! |---|---|
//! | [`lane`] | opening: the agent, the plugins, what the host offers |
//! | [`binaries`] | where agent and plugins come from; refusing plugins that do not start |
//! | `host` | what the lane needs of this host |
//! | [`leases`] | what IPAM kept when every pod is gone |
//! | [`networks`] | the default network's files, and the networks that a pod names |
//! | [`attach`] | attaching a pod to its networks as Multus does, and taking it off again |
//! | [`parties`] | who takes part in an act on the wire |
//! | [`pod`] | one pod: what was done for it and what it said |
//! | [`scene`] | a staged plan: observing and closing |
//! | [`witness`] | bringing `ip` and the agent's netlink reading together |

pub mod attach;
pub mod binaries;
mod host;
pub mod lane;
pub mod leases;
pub mod networks;
pub mod parties;
pub mod pod;
mod ranges;
pub mod scene;
pub mod witness;

pub use lane::NetnsLane;
