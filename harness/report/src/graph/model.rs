//! What a picture shows, as data: writers only lay it out.

/// A picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Scenario name.
    pub name: String,
    /// Its one-line summary.
    pub summary: String,
    /// What came of it, where the picture is of a run: the verdict in words.
    pub verdict: Option<String>,
    /// Whether it shows what was seen, and not only what is asked.
    pub observed: bool,
    /// Segments between nodes and hosts.
    pub uplinks: Vec<String>,
    /// Gateways and peers.
    pub hosts: Vec<Host>,
    /// Nodes with what runs on them.
    pub nodes: Vec<Node>,
    /// The ways of packets.
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
    /// What is wrong with it as a whole: it did not come up, it was not observed.
    pub trouble: Option<String>,
    /// Its interfaces, eth0 first.
    pub attachments: Vec<Attachment>,
    /// Findings that belong to no single interface.
    pub remarks: Vec<Remark>,
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
    pub remarks: Vec<Remark>,
    /// The network's configuration, for a tooltip.
    pub config: Option<String>,
}

/// One fact of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// As `ip` would print it.
    pub text: String,
    /// What is known of it.
    pub state: State,
}

impl Line {
    /// A line.
    #[must_use]
    pub fn new(text: impl Into<String>, state: State) -> Self {
        Self { text: text.into(), state }
    }
}

/// What is known of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Asked for; nothing was looked at.
    Asked,
    /// Asked for, and found.
    Held,
    /// Found; nobody said anything about it.
    Seen,
    /// Asked for, and not found.
    Missing,
    /// Found, though the list of what is asked for is exact and does not have it; or it must not be there.
    Surplus,
}

impl State {
    /// The word beside the colour; empty where nothing was looked at.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Asked => "",
            Self::Held => "as asked",
            Self::Seen => "seen",
            Self::Missing => "MISSING",
            Self::Surplus => "NOT ASKED FOR",
        }
    }

    /// Whether it is a fault.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Missing | Self::Surplus)
    }
}

/// A finding beside what it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// An error; else a warning.
    pub error: bool,
    /// Code and message.
    pub text: String,
}

impl Remark {
    /// The word beside the colour.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        if self.error { "failure" } else { "warning" }
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
    /// Nobody in the picture.
    Nobody,
}

/// A way that packets are to go, or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// From 1, in the plan's order.
    pub number: usize,
    /// `chain-test-pod reaches 10.1.2.3 by icmp, through eth1`.
    pub text: String,
    /// Whether it is one that must not be.
    pub forbidden: bool,
    /// Where it begins.
    pub from: End,
    /// Where it ends.
    pub to: End,
    /// What came of it.
    pub state: PathState,
    /// What was seen, station by station; empty where nothing was looked at.
    pub stations: Vec<String>,
    /// How far its packets came; the whole way where no capture says otherwise.
    pub came: Came,
}

/// How far packets came, by the first capture on their way that has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Came {
    /// They did not leave the pod.
    Nowhere,
    /// To the node's link that the interface sits on.
    Node,
    /// To the uplink.
    Uplink,
    /// The whole way.
    #[default]
    There,
}

/// What came of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathState {
    /// Nothing was looked at.
    Asked,
    /// It came out as wanted; how, in words.
    Held(String),
    /// It did not; what was seen instead.
    Failed(String),
}

impl PathState {
    /// Words; empty where nothing was looked at.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Asked => String::new(),
            Self::Held(how) => how.clone(),
            Self::Failed(how) => format!("NOT AS ASKED: {how}"),
        }
    }
}
