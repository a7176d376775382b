//! plumbline's stand-in for terway, not upstream's: the CNI plugin that a chain behind Terway begins with.
//!
//! Terway's own plugin asks its daemon for an address of a cloud interface; where there is no cloud there is no daemon
//! that could give one. This stand-in takes the address from a pool in a file that Plumbline lays on the node, and does
//! with it what Terway 1.17.5 does in its policy-route mode: the same result (`plugin/terway/cni.go`, `cmdAdd`), the
//! same link, addresses, routes, neighbours, rules and sysctls (`plugin/datapath/policy_router_linux.go`). The README
//! beside this crate says where the two differ.
//!
//! | module | what is in it |
//! |---|---|
//! | [`command`] | checks of the request, dispatch by `CNI_COMMAND` |
//! | [`request`] | the configuration and `CNI_ARGS` |
//! | [`settings`] | the file on the node: the ENI, the pool |
//! | [`leases`] | addresses given to pods, a file each |
//! | [`pod`] | ADD, CHECK and DEL in their order |
//! | [`datapath`] | what is laid in the pod and on the node, for one address |
//! | [`result`] | the result, for CNI 0.3.0 to 1.0.0 |
//! | [`error`] | what Terway answers when an ADD comes to nothing |

pub mod command;
pub mod datapath;
pub mod error;
pub mod leases;
pub mod pod;
pub mod request;
pub mod result;
pub mod settings;
