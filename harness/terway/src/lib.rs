//! Terway: its cluster profile, its chain in any cluster, and scenarios whose default network it is.
//!
//! [`provider`] registers it as the default network of clusters. [`install`] applies Terway's own chart, which [`chart`]
//! renders with the real helm and changes where it can't run here, and [`eni`] makes the network that stands in for the
//! cloud's: every node has its second interface on it, and a router on it and on the nodes' own network is what the cloud's
//! router would be. [`proof`] runs a canary on every node. [`symmetric_routing`] removes what terway-cli never removes.
//!
//! [`chain`] reads a cluster's chain, changes it as one operation, and puts it back; [`scenario`] does so for a plan.
//! What is right and wrong is said by [`plumbline_core::terway`].

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
/// The configuration of Terway, in [`NAMESPACE`].
pub const CONFIG_MAP: &str = "eni-config";
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
    "cilium-cni: plumbline's stand-in, which refuses: no eBPF data plane is in this bed",
    "bpftool: where the engine gives no CAP_BPF, terway-cli is told what an ordinary user may; that decides about eBPF alone",
    "the cloud: an engine's network with a router, which drops what comes from a node's second interface and is not \
     from a pod",
];
