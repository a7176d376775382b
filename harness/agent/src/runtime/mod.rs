//! State of the container runtime and of the CNI side on a node, read from their files.
//!
//! | module | what is in it |
//! |---|---|
//! | [`sandbox`] | the sandbox of a pod of Kubernetes |
//! | [`result_cache`] | the CNI results that libcni caches, of the runtime and of Multus |
//! | [`leftovers`] | leaks of a pod: its leases, and whether its sandbox is gone |

pub mod leftovers;
pub mod result_cache;
pub mod sandbox;
