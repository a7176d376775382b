//! What the lanes and the agent say to each other: one JSON object a line, on the agent's standard streams.
//!
//! Each [`Request`] carries a number; the agent answers in order with one [`Reply`] of the same number.
//! End of the agent's standard input means: kill what runs, clean up, leave.

use crate::cni::{ChainOutcome, CniCommand};
use crate::observe::{KernelState, Transcript};
use crate::plan::{Bridge, Host, NodeLink, Topology};
use crate::wire::{Capture, CaptureSeen, Listener, ListenerSeen, Probe, ProbeSeen};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Raised whenever a change here would be misread by an older side; both sides compare it in [`Op::Hello`].
pub const PROTOCOL_VERSION: u32 = 2;

/// How [`Outcome::Gone`] begins to tell where a sandbox was last seen, when all that is left of it is a cached result.
pub const CACHED_RESULT: &str = "cached result";

/// A request line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Number, chosen by the lane, echoed in the reply.
    pub id: u64,
    /// What to do.
    pub op: Op,
}

/// Where an observation is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// A pod of a private node, by the name given to [`Op::PodAdd`].
    Pod(String),
    /// A namespace by path in the agent's own mount namespace.
    Netns(String),
    /// A pod of Kubernetes, found through the container runtime's state on this node.
    Sandbox {
        /// Kubernetes namespace.
        namespace: String,
        /// Pod name.
        name: String,
        /// Pod UID.
        uid: String,
    },
    /// The node itself; of a private bed its first.
    Node,
    /// A node of a private bed, from 1.
    NodeAt(usize),
    /// A host outside, of a private bed, by its name in the topology.
    Host(String),
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Op {
    /// Say who you are.
    Hello,
    /// Make bridges on the node and bring them up; a bridge already there is kept.
    Bridges(Vec<Bridge>),
    /// Make a whole topology: nodes beside the first, uplinks, bridges, VLAN links, hosts. Private nodes only.
    Topology(Topology),
    /// Make a VLAN link on the node, up; one already there is kept.
    Links(Vec<NodeLink>),
    /// Make an interface a port of a bridge: its own addresses go, it comes up; VLANs as the bridge has them.
    Port {
        /// The bridge.
        bridge: Bridge,
        /// The interface, by name, or by its MAC address (a container engine chooses names by itself).
        interface: String,
    },
    /// Make this very namespace (a container of ours) into a host outside: addresses, VLAN links, `lo`, routes,
    /// forwarding.
    BeHost {
        /// The host.
        host: Host,
        /// The interface of each of its ports, by name or by MAC address, in order.
        interfaces: Vec<String>,
    },
    /// Open listeners and captures. What was open before is closed.
    WireOpen {
        /// Listeners, each in its namespace.
        listeners: Vec<(Target, Listener)>,
        /// Captures, each in its namespace; a tap by uplink has been resolved to a name, or is one of a private bed.
        captures: Vec<(Target, Capture)>,
    },
    /// Send, all side by side, and await the answers while listeners and captures go on.
    WireProbe(Vec<(Target, Probe)>),
    /// Close what is open, and tell what it saw.
    WireClose,
    /// Make a pod's network namespace: `lo` up, sysctls set. Private nodes only.
    PodAdd {
        /// Pod name.
        name: String,
        /// The node it is on, from 1.
        #[serde(default = "first_node")]
        node: usize,
    },
    /// Remove a pod's network namespace.
    PodDel {
        /// Pod name.
        name: String,
    },
    /// Run a chain. Private nodes only.
    Cni(CniRequest),
    /// Read a namespace.
    Observe {
        /// Which.
        target: Target,
        /// Whether to run `ip` in it too (netns lane: it stands for `ip` in the pod).
        with_ip: bool,
    },
    /// Read sysctls of a namespace, by name with dots, or with slashes where a part has dots itself.
    Sysctls {
        /// Which namespace.
        target: Target,
        /// The names.
        names: Vec<String>,
    },
    /// What the CNI side left on this node about a Kubernetes sandbox: cached results of the runtime and of Multus.
    Reported {
        /// Kubernetes namespace.
        namespace: String,
        /// Pod name.
        name: String,
        /// Pod UID.
        uid: String,
    },
    /// What a pod of Kubernetes has leased from host-local on this node, as its cached results name it.
    Leases {
        /// Kubernetes namespace.
        namespace: String,
        /// Pod name.
        name: String,
        /// Pod UID.
        uid: String,
    },
    /// Which of these leases are still there, with the same holder.
    LeasesKept(Vec<Lease>),
    /// Read a small file of the node (configuration; at most 1 MiB), or list a folder's names.
    Read {
        /// Absolute path.
        path: String,
    },
    /// SHA-256 of files of the node; a missing file is absent from the answer.
    Hash {
        /// Absolute paths.
        paths: Vec<String>,
    },
    /// Start plugins with `CNI_COMMAND=VERSION`, to learn whether they start on this node at all. Private nodes only.
    CniVersions {
        /// Plugin types; empty means every plugin that the node was given.
        plugins: Vec<String>,
    },
    /// Try what this kernel can do: each kind of link is made and deleted in a throwaway namespace.
    Probe,
    /// Wait until the sandbox of a pod of Kubernetes is gone from the container runtime's state on this node.
    AwaitGone {
        /// Kubernetes namespace.
        namespace: String,
        /// Pod name.
        name: String,
        /// Pod UID.
        uid: String,
        /// Deadline in milliseconds.
        deadline_ms: u64,
    },
    /// Stay when standard input ends, until killed: for nodes that are kept to be looked at. Private nodes only.
    Stay,
    /// Run a program in a namespace (set-up lines of tests, checks that a binary starts).
    Exec {
        /// Where.
        target: Target,
        /// Program and arguments.
        argv: Vec<String>,
        /// Deadline in milliseconds.
        deadline_ms: u64,
    },
}

fn first_node() -> usize {
    1
}

/// A chain to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CniRequest {
    /// ADD, CHECK or DEL.
    pub command: CniCommand,
    /// Pod name given to [`Op::PodAdd`].
    pub pod: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// The network configuration, conf or conflist, as text.
    pub config: String,
    /// `runtimeConfig` by capability.
    #[serde(default)]
    pub capability_args: BTreeMap<String, Value>,
    /// `CNI_ARGS`, in order.
    #[serde(default)]
    pub cni_args: Vec<(String, String)>,
    /// Added to every plugin's configuration as `args.cni`.
    #[serde(default)]
    pub args_cni: Option<Value>,
    /// Deadline of each plugin call, in milliseconds.
    pub deadline_ms: u64,
}

/// A reply line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's number.
    pub id: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// Why the agent could not do it: always the bed's side, never the plugin's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What the agent was doing.
    pub doing: String,
    /// What went wrong, with path and errno.
    pub cause: String,
    /// `true` when the thing asked about is gone (pod, namespace).
    pub gone: bool,
}

/// The answer itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Answer to [`Op::Hello`].
    Hello {
        /// [`PROTOCOL_VERSION`] of the agent.
        protocol: u32,
        /// Agent version.
        version: String,
    },
    /// Done, nothing to tell.
    Done,
    /// Answer to [`Op::PodAdd`]: the namespace's path inside the node.
    Netns {
        /// Path.
        path: String,
    },
    /// Answer to [`Op::WireProbe`], in the order of the probes.
    Probes(Vec<ProbeSeen>),
    /// Answer to [`Op::WireClose`].
    WireSeen {
        /// What the captures saw.
        captures: Vec<CaptureSeen>,
        /// What the listeners heard.
        listeners: Vec<ListenerSeen>,
    },
    /// Answer to [`Op::Cni`].
    Chain(ChainOutcome),
    /// Answer to [`Op::Observe`].
    Observed(Observed),
    /// Answer to [`Op::Sysctls`], by name as asked; one that is not there is left out.
    Sysctls(BTreeMap<String, String>),
    /// Answer to [`Op::Reported`]: `(interface, network, result)` for each cached result.
    Reported(Vec<(String, String, Value)>),
    /// Answer to [`Op::Leases`] and [`Op::LeasesKept`].
    Leases(Vec<Lease>),
    /// Answer to [`Op::Read`].
    File {
        /// Text, where it is a file.
        text: Option<String>,
        /// Names, sorted, where it is a folder.
        names: Option<Vec<String>>,
    },
    /// Answer to [`Op::Hash`]: path to lower-case hex.
    Hashes(BTreeMap<String, String>),
    /// Answer to [`Op::CniVersions`], in the order of their names.
    Versions(Vec<PluginVersion>),
    /// Answer to [`Op::Probe`]: capability name to what was seen.
    Probed(BTreeMap<String, Probed>),
    /// Answer to [`Op::AwaitGone`].
    Gone {
        /// Whether it is gone.
        gone: bool,
        /// Where it was last seen, when it is still there.
        last_seen: Option<String>,
    },
    /// Answer to [`Op::Exec`].
    Ran {
        /// Exit code; none when a signal or the deadline ended it.
        code: Option<i32>,
        /// Standard output, cut at 1 MiB.
        stdout: String,
        /// Standard error, cut at 1 MiB.
        stderr: String,
    },
    /// It could not be done.
    Fault(Fault),
}

/// An address that host-local has given out on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The address.
    pub address: String,
    /// The network's name, as its configuration has it.
    pub network: String,
    /// The folder of the network's leases on the node.
    pub folder: String,
    /// Who has it: the sandbox's container id.
    pub holder: String,
}

/// What a plugin answered to `VERSION`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginVersion {
    /// The plugin's `type`.
    pub plugin: String,
    /// Its path on the node; the bare type when it was not found.
    pub path: String,
    /// The spec versions it supports; empty when it did not answer as the spec has it (section 3, "VERSION").
    pub supported: Vec<String>,
    /// Why it can't be started on this node (wrong architecture, loader or library missing, not executable, not
    /// found); none when it started, whatever it then answered.
    pub refused: Option<String>,
    /// Who it says it is, when called without a command; none where it did not answer VERSION as the spec has it.
    pub about: Option<String>,
}

/// One capability as tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// Whether it is there.
    pub there: bool,
    /// What the probe saw, in words.
    pub seen: String,
}

/// What the agent's mode `probe-host` prints: what this host allows, by trying.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostProbe {
    /// Private nodes, `rootful` and `rootless`: whether each works, otherwise what refuses it and the fix.
    pub private_nodes: BTreeMap<String, Probed>,
    /// Capability name to what was seen from the first private node that works; empty when none does.
    pub links: BTreeMap<String, Probed>,
}

/// A namespace as read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// By netlink.
    pub kernel: KernelState,
    /// Raw output of `ip` there, where it was asked for and could be run; parsed by the lane.
    pub ip: Option<IpOutputs>,
    /// The node's links by index, to resolve parents.
    pub node_links: BTreeMap<u32, String>,
    /// The namespace's sysctls that matter for what is judged, by name with dots.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
}

/// Raw outputs of `ip`, of one round trip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IpOutputs {
    /// `ip a` and `ip route`, for people.
    pub transcripts: Vec<Transcript>,
    /// `ip -j -d addr`; none where `ip` has no `-j` (BusyBox).
    pub addr_json: Option<String>,
    /// `ip -j -d -4 route show table all`.
    pub route4_json: Option<String>,
    /// `ip -j -d -6 route show table all`.
    pub route6_json: Option<String>,
    /// `ip -j -4 rule`.
    pub rule4_json: Option<String>,
    /// `ip -j -6 rule`.
    pub rule6_json: Option<String>,
}
