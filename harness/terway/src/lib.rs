//! Terway: its cluster profile, its chain in any cluster, and scenarios whose default network it is.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. `settings`: Terway's settings in a cluster profile
//! 2. `plugin_settings`: the file on a node that the stand-in of the CNI plugin reads
//! 3. `eni`: the network that stands in for the cloud's
//! 4. `chart_adaptations`: changes of the chart's objects
//! 5. `chart`: Terway's chart, rendered by helm
//! 6. `install`: the bring-up step `default-network`
//! 7. `proof`: canary pods for the step `prove-default-network`
//! 8. `symmetric_routing`: removal of what terway-cli never removes
//! 9. `chain`: the chain in a cluster: read, change, restore
//! 10. `scenario`: the chain and the networks of a scenario
//! 11. `provider`: Terway as a default-network provider
//!
//! [`provider`] registers it as the default network of clusters. [`install`] applies Terway's own chart, which [`chart`]
//! renders with the real helm and changes where it can't run here, and [`eni`] makes the network that stands in for the
//! cloud's: every node has its second interface on it, and a router joins it to the nodes' own network. [`proof`] runs a canary on every node. [`symmetric_routing`] removes what terway-cli never removes.
//!
//! [`chain`] reads a cluster's chain, changes it as one operation, and puts it back; [`scenario`] does so for a plan.
//! [`plumbline_core::terway`] decides what is right.

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
pub use install::in_force;
pub use provider::Terway;

/// The daemon set of Terway on nodes with shared cloud interfaces, as ACK has it.
pub const DAEMON_SET: &str = "terway-eniip";
/// Where both live.
pub const NAMESPACE: &str = "kube-system";
/// The chain on a node, as terwayd puts it there.
pub const CONFLIST: &str = "/etc/cni/net.d/10-terway.conflist";
/// The name that terway-cli gives every chain (cmd/terway-cli/cni.go, `mergeConfigList`).
pub const CHAIN: &str = "terway-chainer";

/// What of this cluster is not what users run; named in every report.
pub const STAND_INS: &[&str] = &[
    "terway (CNI plugin): plumbline's stand-in, not upstream's",
    "terwayd: plumbline's stand-in, not upstream's; terway-cli, init.sh and the policy container are Terway's own",
    "cilium-cni: plumbline's stand-in, which refuses: this testbed has no eBPF data plane",
    "bpftool: where the engine gives no CAP_BPF, it answers terway-cli as for an ordinary user; this affects eBPF alone",
    "the cloud: an engine's network with a router, which drops what comes from a node's second interface and is not \
     from a pod",
];
