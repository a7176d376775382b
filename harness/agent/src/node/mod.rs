//! The private node: namespaces of its own, a root of its own, and the agent as its PID 1.
//!
//! Nothing is mounted, linked or named on the host. When PID 1 ends for any reason, the kernel removes everything
//! (`pid_namespaces(7)`).
//!
//! | module | what is in it |
//! |---|---|
//! | [`mounts`] | mounts, folders and links, with errors that name the path |
//! | [`privileges`] | rootful or rootless: the first namespaces |
//! | [`arguments`] | the command line of mode `node` |
//! | [`plugins`] | the CNI plugins of the node |
//! | [`root`] | the root of the node |
//! | [`nodes`] | further nodes of the same testbed, and the pods of all |
//! | [`readiness`] | waiting until links pass packets |
//! | [`links`] | bridges, VLAN links, bridge ports |
//! | [`hosts`] | external hosts |
//! | [`eni`] | ENIs made of a virtual machine's interfaces, and Terway's own plugin |
//! | [`firewall`] | packet filter rules of a node behind Terway |
//! | [`topology`] | all of a topology: uplinks, bridges, node interfaces, external hosts |

pub mod arguments;
pub mod eni;
pub mod firewall;
pub mod hosts;
pub mod links;
pub mod mounts;
pub mod nodes;
pub mod plugins;
pub mod privileges;
pub mod readiness;
pub mod root;
pub mod topology;
