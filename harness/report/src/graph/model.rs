//! The content of a picture, as data. The writers only lay it out.

/// A picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Scenario name.
    pub name: String,
    /// Its one-line summary.
    pub summary: String,
    /// The verdict of the run, as text.
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
    /// Positions of its ports' uplinks in [`Graph::uplinks`].
    pub uplinks: Vec<usize>,
    /// Ports with addresses, networks behind it, its routes.
    pub lines: Vec<String>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub number: usize,
    /// `node 1`, and its name in the run.
    pub title: String,
    /// Links of the node under attachments.
    pub bars: Vec<Bar>,
    /// Pods on it.
    pub pods: Vec<Pod>,
}

/// A link of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Interface name, or a description of several interfaces.
    pub name: String,
    /// What it is.
    pub words: String,
    /// Whether the scenario's topology has it. Otherwise a plugin or the node makes it.
    pub of_topology: bool,
    /// The bar of its parent (of a VLAN subinterface).
    pub on: Option<usize>,
    /// Position of its uplink in [`Graph::uplinks`].
    pub uplink: Option<usize>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Why the whole pod has no result: it is not Ready, or was not observed.
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
    /// Position of its parent link in [`Node::bars`].
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
    /// Requested, without a run.
    Requested,
    /// Requested and found.
    Held,
    /// Found, neither requested nor excluded.
    Observed,
    /// Requested and not found.
    Missing,
    /// Found, but excluded: by an exact list without it, or by name.
    Surplus,
}

impl State {
    /// The word beside the colour. Empty without a run.
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

/// A finding, drawn at its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingLabel {
    /// Whether it is a failure. Otherwise it is a warning.
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
    /// An interface of a pod, by positions: node, pod, attachment.
    Attachment(usize, usize, usize),
    /// A pod whose interface is unknown before the run: node and pod.
    Pod(usize, usize),
    /// A host.
    Host(usize),
    /// Nothing in the picture.
    Outside,
}

/// A requested path of packets, and after a run the observed one.
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
    /// The captures on the path, a line each. Empty without a run.
    pub stations: Vec<String>,
    /// The end of its packets' path.
    pub arrival: Arrival,
}

/// The end of packets' path: before the first capture without a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrival {
    /// They did not leave the pod.
    Pod,
    /// To the node's link under the interface.
    Node,
    /// To the uplink.
    Uplink,
    /// To the destination.
    #[default]
    Target,
}

/// The result of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathState {
    /// There was no run.
    Requested,
    /// It ended as requested. The end, as text.
    Held(String),
    /// It ended otherwise. The end, as text.
    Failed(String),
}

impl PathState {
    /// As text. Empty without a run.
    pub fn words(&self) -> String {
        match self {
            Self::Requested => String::new(),
            Self::Held(how) => how.clone(),
            Self::Failed(how) => format!("NOT AS REQUESTED: {how}"),
        }
    }
}
