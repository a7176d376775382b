//! Terway as a cluster's default network: its own chart, its own tool, and a network that stands in for the cloud's.
//!
//! [`eni`] is that network: every node has its second interface on it, and a router on it and on the nodes' own network is
//! what the cloud's router would be. [`chart`] renders Terway's chart with the real helm, and [`adapt`] changes what can't
//! run here. [`deploy`] is the step of bring-up that applies it, [`prove`] the one that sends a pod up on every node.
//! [`scrub`] takes away what terway-cli never does. Another chain is put into force by [`crate::chain`].

pub mod adapt;
pub mod chart;
mod deploy;
pub mod eni;
pub mod prove;
pub mod scrub;
pub mod standin;

pub use deploy::in_force;

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

/// What a cluster with Terway knows of it.
pub struct Behind {
    /// The profile's.
    pub spec: super::profile::TerwaySpec,
    /// What of a proof's grounds does not change while the cluster is used.
    pub fixed: String,
}

/// What of this cluster is not what users run; named in every report.
pub const STAND_INS: &[&str] = &[
    "terway (CNI plugin): plumbline's stand-in, not upstream's",
    "terwayd: plumbline's stand-in, not upstream's; terway-cli, init.sh and the policy container are Terway's own",
    "cilium-cni: plumbline's stand-in, which refuses: no eBPF data plane is in this bed",
    "bpftool: where the engine gives no CAP_BPF, terway-cli is told what an ordinary user may; that decides about eBPF alone",
    "the cloud: an engine's network with a router, which drops what comes from a node's second interface and is not \
     from a pod",
];
