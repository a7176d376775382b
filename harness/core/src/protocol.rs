//! The protocol between lanes and agent: one JSON object a line, on the agent's standard streams.
//!
//! Each [`Request`] has a number; the agent sends one [`Reply`] with the same number, in order.
//! At the end of its standard input the agent kills its children, cleans up and exits.

use crate::cni::{AttachedChain, ChainOutcome, CniCommand};
use crate::observe::KernelState;
use crate::observe::ip::IpOutputs;
use crate::plan::{Bridge, Host, NodeLink, Topology};
use crate::state::PodAndNode;
use crate::wire::{Capture, CaptureResult, Listener, ListenerResult, Probe, ProbeResult};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Raised with every incompatible change; both sides compare it in [`Op::Hello`].
pub const PROTOCOL_VERSION: u32 = 5;

/// How the last place in [`Outcome::SandboxRemoval`] starts when only a cached result of the sandbox remains.
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
    /// The node itself; of a private node namespace the first node.
    Node,
    /// A node of the netns or vm lane, from 1.
    NodeAt(usize),
    /// An external host of the netns or vm lane, by its name in the topology.
    Host(String),
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Op {
    /// Report protocol and agent version.
    Hello,
    /// Create bridges on the node and bring them up; an existing bridge is kept.
    Bridges(Vec<Bridge>),
    /// Create a whole topology: further nodes, uplinks, bridges, VLAN links, external hosts. Private nodes only.
    Topology(Topology),
    /// Create VLAN links on the node and bring them up; an existing link is kept.
    Links(Vec<NodeLink>),
    /// Make an interface a port of a bridge: remove its addresses, bring it up, set its VLANs as for the bridge.
    Port {
        /// The bridge.
        bridge: Bridge,
        /// The interface, by name, or by its MAC address (a container engine chooses interface names).
        interface: String,
    },
    /// Turn this namespace (a container of the testbed) into an external host: addresses, VLAN links, `lo`, routes,
    /// forwarding.
    BeHost {
        /// The host.
        host: Host,
        /// The interface of each of its ports, by name or by MAC address, in order.
        interfaces: Vec<String>,
    },
    /// Open listeners and captures. Earlier ones are closed.
    WireOpen {
        /// Listeners, each in its namespace.
        listeners: Vec<(Target, Listener)>,
        /// Captures, each in its namespace; a tap by uplink was resolved to a name, or is one of a private node.
        captures: Vec<(Target, Capture)>,
    },
    /// Send all probes side by side and wait for the replies while listeners and captures run.
    WireProbe(Vec<(Target, Probe)>),
    /// Close listeners and captures, and return their results.
    WireClose,
    /// Create a pod's network namespace: `lo` up, sysctls set. Private nodes only.
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
        /// Whether to run `ip` in it too (netns lane: instead of `ip` in the pod).
        with_ip: bool,
    },
    /// Read sysctls of a namespace, by name with dots, or with slashes where a part has dots itself.
    Sysctls {
        /// Which namespace.
        target: Target,
        /// The names.
        names: Vec<String>,
    },
    /// Read the cached CNI results of a Kubernetes sandbox on this node: those of the runtime and of Multus.
    Reported {
        /// Kubernetes namespace.
        namespace: String,
        /// Pod name.
        name: String,
        /// Pod UID.
        uid: String,
    },
    /// Read the whole state of a pod, of its node what concerns plugins, and of a Kubernetes pod the chains that the runtime
    /// ran for it.
    PodState(Target),
    /// Read the leases that a Kubernetes pod has from host-local on this node, as named by its cached results.
    Leases {
        /// Kubernetes namespace.
        namespace: String,
        /// Pod name.
        name: String,
        /// Pod UID.
        uid: String,
    },
    /// Check which of these leases still exist with the same holder.
    LeasesKept(Vec<Lease>),
    /// Read a small file of the node (configuration; at most 1 MiB), or list a folder's names.
    Read {
        /// Absolute path.
        path: String,
    },
    /// SHA-256 of files of the node; a missing file is absent from the reply.
    Hash {
        /// Absolute paths.
        paths: Vec<String>,
    },
    /// Start plugins with `CNI_COMMAND=VERSION`, to check whether they start on this node. Private nodes only.
    CniVersions {
        /// Plugin types; empty means every plugin on the node.
        plugins: Vec<String>,
    },
    /// Test what this kernel supports: each kind of link is created and deleted in a temporary namespace.
    Probe,
    /// Wait until the container runtime on this node has removed the sandbox of a Kubernetes pod.
    AwaitSandboxRemoval {
        /// Kubernetes namespace.
        namespace: String,
        /// Pod name.
        name: String,
        /// Pod UID.
        uid: String,
        /// Deadline in milliseconds.
        deadline_ms: u64,
    },
    /// Keep running when standard input ends, until killed: for nodes that are kept for inspection. Private nodes only.
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
    /// Whether the state of pod and node is read before the first call and after each call.
    #[serde(default)]
    pub with_state: bool,
}

/// A reply line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's number.
    pub id: u64,
    /// The result.
    pub outcome: Outcome,
}

/// Why the agent failed: always a fault of the testbed, never of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What the agent was doing.
    pub doing: String,
    /// What went wrong, with path and errno.
    pub cause: String,
    /// `true` when the requested object (pod, namespace) no longer exists.
    pub gone: bool,
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Reply to [`Op::Hello`].
    Hello {
        /// [`PROTOCOL_VERSION`] of the agent.
        protocol: u32,
        /// Agent version.
        version: String,
    },
    /// Done, without a result.
    Done,
    /// Reply to [`Op::PodAdd`]: the namespace's path inside the node.
    Netns {
        /// Path.
        path: String,
    },
    /// Reply to [`Op::WireProbe`], in the order of the probes.
    Probes(Vec<ProbeResult>),
    /// Reply to [`Op::WireClose`].
    WireObservation {
        /// Results of the captures.
        captures: Vec<CaptureResult>,
        /// Results of the listeners.
        listeners: Vec<ListenerResult>,
    },
    /// Reply to [`Op::Cni`].
    Chain(ChainOutcome),
    /// Reply to [`Op::Observe`].
    Observed(Observed),
    /// Reply to [`Op::Sysctls`], by the requested name; a missing one is absent.
    Sysctls(BTreeMap<String, String>),
    /// Reply to [`Op::Reported`]: `(interface, network, result)` for each cached result.
    Reported(Vec<(String, String, Value)>),
    /// Reply to [`Op::PodState`].
    PodState {
        /// The state.
        state: PodAndNode,
        /// The chains, in no order.
        chains: Vec<AttachedChain>,
    },
    /// Reply to [`Op::Leases`] and [`Op::LeasesKept`].
    Leases(Vec<Lease>),
    /// Reply to [`Op::Read`].
    File {
        /// Text, where it is a file.
        text: Option<String>,
        /// Names, sorted, where it is a folder.
        names: Option<Vec<String>>,
    },
    /// Reply to [`Op::Hash`]: path to lower-case hex.
    Hashes(BTreeMap<String, String>),
    /// Reply to [`Op::CniVersions`], in the order of their names.
    Versions(Vec<PluginVersion>),
    /// Reply to [`Op::Probe`]: capability name to what was seen.
    Probed(BTreeMap<String, Probed>),
    /// Reply to [`Op::AwaitSandboxRemoval`].
    SandboxRemoval {
        /// Whether it is removed.
        removed: bool,
        /// Where it was last seen, when it still exists.
        last_seen: Option<String>,
    },
    /// Reply to [`Op::Exec`].
    Ran {
        /// Exit code; none when a signal or the deadline ended it.
        code: Option<i32>,
        /// Standard output, cut at 1 MiB.
        stdout: String,
        /// Standard error, cut at 1 MiB.
        stderr: String,
    },
    /// It failed.
    Fault(Fault),
}

/// An address that host-local has leased on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The address.
    pub address: String,
    /// The network's name, as its configuration has it.
    pub network: String,
    /// The folder of the network's leases on the node.
    pub folder: String,
    /// Its holder: the sandbox's container id.
    pub holder: String,
}

/// A plugin's reply to `VERSION`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginVersion {
    /// The plugin's `type`.
    pub plugin: String,
    /// Its path on the node; the bare type when it was not found.
    pub path: String,
    /// The spec versions it supports; empty when its reply does not follow the spec (section 3, "VERSION").
    pub supported: Vec<String>,
    /// Why it does not start on this node (wrong architecture, loader or library missing, not executable, not
    /// found); none when it started, whatever its reply.
    pub refused: Option<String>,
    /// Its own description when called without a command; none if its reply to VERSION does not follow the spec.
    pub about: Option<String>,
}

/// What [`Probed::seen`] has between the name of a program that the node lacks and the cause.
pub const PROGRAM_NOT_STARTED: &str = " cannot be started on the node: ";

/// One tested capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// Whether it is available.
    pub there: bool,
    /// What the test found, in words.
    pub seen: String,
}

/// Output of the agent's mode `probe-host`: what this host allows, found by testing.
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
    /// Raw output of `ip` there, where it was requested and could be run; parsed by the lane.
    pub ip: Option<IpOutputs>,
    /// The node's links by index, to resolve parents.
    pub node_links: BTreeMap<u32, String>,
    /// The namespace's sysctls that matter for what is judged, by name with dots.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
}
