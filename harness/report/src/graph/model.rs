//! The content of a picture, as data. The writers only lay it out.

/// A picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Scenario name.
    pub name: String,
    /// Its one-line summary.
    pub summary: String,
    /// The verdict of the run, in words.
    pub verdict: Option<String>,
    /// Whether it shows the observed state of a run, not only the requested state.
    pub observed: bool,
    /// Segments between nodes and hosts.
    pub uplinks: Vec<String>,
    /// Gateways and peers.
    pub hosts: Vec<Host>,
    /// Nodes with what runs on them.
    pub nodes: Vec<Node>,
    /// The paths of packets.
    pub paths: Vec<Path>,
}

/// A machine outside the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// `gateway` or `peer`.
    pub role: &'static str,
    /// Places of its ports' uplinks in [`Graph::uplinks`].
    pub uplinks: Vec<usize>,
    /// Ports with addresses, what is behind it, its routes.
    pub lines: Vec<String>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub number: usize,
    /// `node 1`, and the name that it had in the run.
    pub title: String,
    /// Links of the node that attachments sit on.
    pub bars: Vec<Bar>,
    /// Pods on it.
    pub pods: Vec<Pod>,
}

/// A link of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Interface name; for what is no single interface, words.
    pub name: String,
    /// What it is.
    pub words: String,
    /// Whether the scenario's topology has it; else it comes with a plugin or with the node.
    pub of_topology: bool,
    /// The bar it sits on (a VLAN subinterface).
    pub on: Option<usize>,
    /// Place of its uplink in [`Graph::uplinks`].
    pub uplink: Option<usize>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Why the whole pod has no result: it is not ready, or was not observed.
    pub trouble: Option<String>,
    /// Its interfaces, eth0 first.
    pub attachments: Vec<Attachment>,
    /// Findings that belong to no single interface.
    pub findings: Vec<FindingLabel>,
}

/// An interface of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Interface name.
    pub interface: String,
    /// The network with its chain: `management-net: macvlan, then route-override`.
    pub network: String,
    /// Place of the link it sits on in [`Node::bars`].
    pub bar: Option<usize>,
    /// Addresses, routes and the like.
    pub lines: Vec<Line>,
    /// Findings.
    pub findings: Vec<FindingLabel>,
    /// The network's configuration, for a tooltip.
    pub config: Option<String>,
}

/// One fact of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// As `ip` would print it.
    pub text: String,
    /// Its state.
    pub state: State,
}

impl Line {
    /// A line.
    pub fn new(text: impl Into<String>, state: State) -> Self {
        Self { text: text.into(), state }
    }
}

/// The state of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Requested; there was no run.
    Requested,
    /// Requested and found.
    Held,
    /// Found, neither requested nor excluded.
    Observed,
    /// Requested and not found.
    Missing,
    /// Found and excluded: by an exact list without it, or by name.
    Surplus,
}

impl State {
    /// The word beside the colour; empty without a run.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requested => "",
            Self::Held => "as requested",
            Self::Observed => "observed",
            Self::Missing => "MISSING",
            Self::Surplus => "NOT REQUESTED",
        }
    }

    /// Whether the fact is wrong.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Missing | Self::Surplus)
    }
}

/// A finding, drawn at what it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingLabel {
    /// Whether it is a failure; else a warning.
    pub is_failure: bool,
    /// Code and message.
    pub text: String,
}

impl FindingLabel {
    /// The word beside the colour.
    pub const fn word(&self) -> &'static str {
        if self.is_failure { "failure" } else { "warning" }
    }
}

/// Where a path begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// An interface of a pod, by places: node, pod, attachment.
    Attachment(usize, usize, usize),
    /// A pod whose interface is not known beforehand: node and pod.
    Pod(usize, usize),
    /// A host.
    Host(usize),
    /// Nothing in the picture.
    Outside,
}

/// A requested path of packets, and after a run the real one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// From 1, in the plan's order.
    pub number: usize,
    /// `chain-test-pod reaches 10.1.2.3 by icmp, through eth1`.
    pub text: String,
    /// Whether the target must not be reached.
    pub forbidden: bool,
    /// Where it begins.
    pub from: End,
    /// Where it ends.
    pub to: End,
    /// Its result.
    pub state: PathState,
    /// The captures on the way, a line each; empty without a run.
    pub stations: Vec<String>,
    /// How far its packets came.
    pub arrival: Arrival,
}

/// How far packets came: before the first capture without a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrival {
    /// They did not leave the pod.
    Pod,
    /// To the node's link that the interface sits on.
    Node,
    /// To the uplink.
    Uplink,
    /// The whole way.
    #[default]
    Target,
}

/// The result of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathState {
    /// There was no run.
    Requested,
    /// It ended as requested; how, in words.
    Held(String),
    /// It ended otherwise; how, in words.
    Failed(String),
}

impl PathState {
    /// In words; empty without a run.
    pub fn words(&self) -> String {
        match self {
            Self::Requested => String::new(),
            Self::Held(how) => how.clone(),
            Self::Failed(how) => format!("NOT AS REQUESTED: {how}"),
        }
    }
}
