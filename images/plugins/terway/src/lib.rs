//! plumbline's stand-in for terway, not upstream's: the first CNI plugin of a chain behind Terway.
//!
//! Terway's own plugin requests an address of a cloud interface from its daemon, which needs a cloud. This stand-in takes
//! the address from a pool in a file that Plumbline writes on the node. Then it does the same as Terway 1.17.5 in its
//! policy-route mode: the same result (`plugin/terway/cni.go`, `cmdAdd`), and the same link, addresses, routes,
//! neighbours, rules and sysctls (`plugin/datapath/policy_router_linux.go`). The README of this crate lists the
//! differences.
//!
//! | module | content |
//! |---|---|
//! | [`command`] | checks of the request, dispatch by `CNI_COMMAND` |
//! | [`request`] | the configuration and `CNI_ARGS` |
//! | [`settings`] | the file on the node: the ENI, the pool |
//! | [`leases`] | allocated addresses, one file each |
//! | [`pod`] | the steps of ADD, CHECK and DEL |
//! | [`datapath`] | the network configuration of pod and node, for one address |
//! | [`result`] | the result, for CNI 0.3.0 to 1.0.0 |
//! | [`error`] | Terway's error for a failed ADD |

pub mod command;
pub mod datapath;
pub mod error;
pub mod leases;
pub mod pod;
pub mod request;
pub mod result;
pub mod settings;
