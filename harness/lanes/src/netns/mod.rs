//! The netns lane: real plugin binaries on a private node, by the agent.
//!
//! Each scenario has its own node, or several with the links between them: an agent that is PID 1 of its own mount, PID,
//! network, IPC and UTS namespaces, and of a user namespace if this user is not root. The host does not show any of it, so any
//! number of nodes run side by side with the same names and addresses. The pods of one node are made one after another, because the
//! agent has one thread.
//!
//! | module | what is in it |
//! |---|---|
//! | [`lane`] | opening the lane: the agent, the plugins, the capabilities |
//! | [`binaries`] | where agent and plugins come from; refusing plugins that do not start |
//! | `host` | checks of this host |
//! | [`leases`] | leases that IPAM still has after every pod was removed |
//! | [`networks`] | the networks of a node and those that a pod requests |
//! | [`attach`] | attaching a pod to its networks as Multus does, and detaching it |
//! | [`pod`] | one pod: making it, what was done for it, removing it |
//! | [`pod_state`] | reading a pod by `ip` and by netlink |
//! | [`scenario`] | a staged scenario: observing and closing |

pub mod attach;
pub mod binaries;
mod host;
pub mod lane;
pub mod leases;
pub mod networks;
pub mod pod;
pub mod pod_state;
pub mod scenario;

pub use lane::NetnsLane;
