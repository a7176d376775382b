//! Terway: its cluster profile, its chain in any cluster, and scenarios with it as default network.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. `settings`: Terway's settings in a cluster profile
//! 2. `plugin_settings`: the file on a node that the stand-in for the CNI plugin reads
//! 3. `eni`: the stand-in for the cloud's network
//! 4. `chart_adaptations`: changes of the chart's objects
//! 5. `chart`: Terway's chart, rendered with helm
//! 6. `install`: the bring-up step `default-network`
//! 7. `proof`: canary pods for the step `prove-default-network`
//! 8. `symmetric_routing`: removal of symmetric routing, which terway-cli never removes
//! 9. `chain`: the chain in a cluster: read, change, restore
//! 10. `scenario`: the chain and the networks of a scenario
//! 11. `provider`: Terway as a default-network provider
//!
//! [`provider`] implements Terway as the default network of clusters. [`install`] applies Terway's own chart. [`chart`] renders
//! it with the real helm and adapts it. [`eni`] creates the stand-in for the cloud's network: every node has its second interface
//! on it, and a router connects it to the nodes' own network. [`proof`] runs a canary on every node. [`symmetric_routing`]
//! removes symmetric routing, which terway-cli never removes.
//!
//! [`chain`] reads a cluster's chain, changes it as one operation, and restores it. [`scenario`] does this for a plan.
//! [`plumbline_core::terway`] contains the rules.

pub mod chain;
pub mod chart;
pub mod chart_adaptations;
pub mod eni;
pub mod install;
pub mod plugin_settings;
pub mod proof;
pub mod provider;
pub mod scenario;
pub mod settings;
pub mod symmetric_routing;

pub use chain::ChainUndo;
pub use install::read_active_chain;
pub use provider::Terway;

/// Terway's DaemonSet on nodes with shared cloud interfaces, as on ACK.
pub const DAEMON_SET: &str = "terway-eniip";
/// The namespace of the DaemonSet and of its ConfigMap.
pub const NAMESPACE: &str = "kube-system";
/// The path of the chain on a node, where terwayd writes it.
pub const CONFLIST: &str = "/etc/cni/net.d/10-terway.conflist";
/// The name that terway-cli gives every chain (cmd/terway-cli/cni.go, `mergeConfigList`).
pub const CHAIN: &str = "terway-chainer";

/// The stand-ins in this cluster. Every report names them.
pub const STAND_INS: &[&str] = &[
    "terway (CNI plugin): plumbline's stand-in, not upstream's",
    "terwayd: plumbline's stand-in, not upstream's; terway-cli, init.sh and the policy container are Terway's own",
    "cilium-cni: plumbline's stand-in, which returns an error: this testbed has no eBPF data plane",
    "bpftool: without CAP_BPF it reports the features for an ordinary user to terway-cli; this affects only eBPF",
    "the cloud: an engine's network with a router, which drops packets from a node's second interface whose source is \
     no pod",
];
