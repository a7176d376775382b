//! Functions for any Kubernetes cluster, independent of the tool that created it.
//!
//! The order of the modules, lowest first. A module uses only modules above it in this list:
//!
//! 1. [`client`]: clients from kubeconfig files
//! 2. [`manifests`]: this project's own YAML files and templates
//! 3. [`objects`]: objects as data, and server-side apply
//! 4. [`runtime_log`]: events of a sandbox, and the runtime's log
//! 5. [`readiness`]: waiting for a pod
//! 6. [`rollout`]: waiting for nodes and DaemonSets
//! 7. [`workloads`]: workloads and the pods that their controllers create
//! 8. [`exec`]: `ip` in a pod
//! 9. [`namespaces`]: own namespaces of a run, which replace the written ones
//! 10. [`reported`]: CNI results and the network-status annotation of a pod
//! 11. [`adaptation`]: changes to a written pod so that it can run on a cluster
//! 12. [`cluster_ranges`]: a cluster's ranges of pods and services
//! 13. [`inventory`]: objects of a cluster for the lint
//! 14. [`undo`]: deleting objects of dead runs

pub mod adaptation;
pub mod client;
pub mod cluster_ranges;
pub mod exec;
pub mod inventory;
pub mod manifests;
pub mod namespaces;
pub mod objects;
pub mod readiness;
pub mod reported;
pub mod rollout;
pub mod runtime_log;
pub mod undo;
pub mod workloads;
