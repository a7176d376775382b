//! The scenario file, version 1, as it is written. The comments of its fields are the tables of `docs/scenario.md` and the
//! texts that an editor shows.
//!
//! Scalars that have a form of their own (addresses, gateways) are read as text here and parsed by
//! [`super::expect`], so that every mistake in a file is reported at once, each with its place.

use super::forms::{self, *};
use super::matrix::MatrixFile;
use super::strict::{ListOr, Located, Pairs};
use super::topology::TopologyFile;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The only `apiVersion` understood.
pub const API_VERSION: &str = "plumbline.dev/v1alpha1";
/// The only `kind` understood.
pub const KIND: &str = "Scenario";

/// A scenario: what exists before, the networks and pods, and what is expected of each pod.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = forms::with_pods)]
pub(super) struct ScenarioFile {
    /// The version of the format.
    #[schemars(extend("const" = API_VERSION))]
    pub api_version: Located<String>,
    /// The kind of the document.
    #[schemars(extend("const" = KIND))]
    pub kind: Located<String>,
    /// Name, summary and requirements.
    pub metadata: Metadata,
    /// Axes, whose combinations are the cases of the file. Without it, the file is one scenario.
    pub matrix: Option<Located<MatrixFile>>,
    /// Capabilities that the lane must offer. A missing one is a skip with its reason.
    #[serde(default)]
    #[schemars(with = "Vec<Capability>")]
    pub requires: Vec<Located<String>>,
    /// The only lanes on which the scenario makes sense. Without it, all.
    #[serde(default)]
    #[schemars(with = "Vec<Lane>")]
    pub lanes: Vec<Located<String>>,
    /// What exists before any pod.
    #[serde(default)]
    pub topology: TopologyFile,
    /// The networks. Every network that a pod's annotation names must be an entry, in the same namespace.
    #[serde(default)]
    #[schemars(transform = forms::network_entries)]
    pub networks: Vec<Located<Entry>>,
    /// The pods and workloads.
    #[schemars(transform = forms::not_empty, transform = forms::pod_entries)]
    #[serde(default)]
    pub pods: Vec<Located<Entry>>,
    /// What is expected, by the name of a pod, of copies or of a workload.
    #[serde(default)]
    pub expect: Pairs<Located<PodFile>>,
}

/// Name, summary and requirements of a scenario.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Metadata {
    /// The name. For a scenario of the suite, the file's path below `scenarios/`.
    #[schemars(with = "ScenarioName")]
    pub name: Located<String>,
    /// One line for `list` and for reports.
    #[serde(default)]
    #[schemars(extend("default" = ""))]
    pub summary: String,
    /// The requirements of `suites/requirements.yaml` that the scenario covers.
    #[serde(default)]
    #[schemars(with = "Vec<RequirementNumber>")]
    pub covers: Vec<Located<String>>,
}

/// A network or a pod: a user's file, a template with values, or (networks alone) the name of one that is there already.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct Entry {
    /// Your own file, relative to the scenario, used as it is. All its documents must be NetworkAttachmentDefinitions
    /// (under `networks`), or pods and workloads (under `pods`).
    #[schemars(with = "Option<FileName>")]
    pub manifest: Option<Located<String>>,
    /// A template, by its file name. It is searched in the folders `templates` beside the scenario and above, then among
    /// Plumbline's own (`suites/templates`); with `./` or `../` only relative to the scenario.
    #[schemars(with = "Option<FileName>")]
    pub template: Option<Located<String>>,
    /// The template's values; its head declares them.
    pub values: Option<Pairs<Located<Value>>>,
    /// A network that is expected to be in the cluster already.
    #[schemars(with = "Option<Name>")]
    pub existing: Option<Located<String>>,
    /// The namespace of the `existing` network.
    #[schemars(with = "Option<Name>")]
    pub namespace: Option<Located<String>>,
    /// The node that the pod runs on. Without it, pods are placed on the nodes in turn.
    #[schemars(with = "Option<NodeNumber>")]
    pub node: Option<Located<i64>>,
    /// Whether the entry is there; `true` by default. With a matrix, a case can leave it out.
    pub when: Option<bool>,
    /// That many pods, `NAME-1`, `NAME-2` and so on, spread over the nodes. `expect` under `NAME` applies to each.
    #[schemars(with = "Option<CopyCount>")]
    pub copies: Option<Located<i64>>,
}

/// What is expected of one pod. What is left out is not compared.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct PodFile {
    /// Interfaces by name.
    #[schemars(transform = forms::by_interface)]
    pub interfaces: Pairs<Located<InterfaceFile>>,
    /// Routes by interface: a list is exact; `atLeast` lists some, `absent` lists networks to which there is no route.
    #[schemars(transform = forms::by_interface)]
    pub routes: Pairs<Located<ListOr<Located<RouteFile>, RouteLists>>>,
    /// The default route of IPv4.
    pub default: Option<Located<DefaultFile>>,
    /// The default route of IPv6.
    pub default6: Option<Located<DefaultFile>>,
    /// What the pod reaches: egress probes that get an answer.
    pub reaches: Vec<Located<ReachFile>>,
    /// What the pod does not reach: egress probes that get no answer, each with a control that gets one.
    pub cannot_reach: Vec<Located<UnreachableFile>>,
    /// What reaches a `hostPort` of the pod at its node: ingress probes that get an answer.
    pub reached_by: Vec<Located<ReachedByFile>>,
    /// Sysctls of the pod's network namespace, by name with dots, or with slashes if a part has dots itself.
    #[schemars(transform = forms::by_sysctl)]
    pub sysctls: Pairs<Located<String>>,
    /// IPv6 link-local addresses: `none` on any interface, or `some`.
    #[schemars(extend("enum" = ["none", "some"]))]
    pub link_local: Option<Located<String>>,
}

/// What is expected of one interface.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct InterfaceFile {
    /// `true`: there is no interface of this name. It stands alone.
    pub absent: Option<Located<bool>>,
    /// The kind of its link.
    #[schemars(with = "Option<LinkKind>")]
    pub kind: Option<Located<String>>,
    /// The link of the node that it is made on, such as the `master` of macvlan.
    #[schemars(with = "Option<InterfaceName>")]
    pub parent: Option<Located<String>>,
    /// Whether it is up.
    #[schemars(extend("enum" = ["up", "down"]))]
    pub state: Option<Located<String>>,
    /// The MTU in bytes.
    pub mtu: Option<Located<u32>>,
    /// The MAC address.
    #[schemars(with = "Option<Mac>")]
    pub mac: Option<Located<String>>,
    /// Its addresses: a list is exact, IPv6 link-local addresses aside; `atLeast` lists some, `absent` lists some that it
    /// does not have.
    #[schemars(with = "Option<ListOr<Address, AddressLists>>")]
    pub addresses: Option<Located<ListOr<Located<String>, AddressLists>>>,
}

/// Addresses that an interface has, and addresses that it has not.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct AddressLists {
    /// These, and maybe others.
    #[schemars(with = "Option<Vec<Address>>", transform = forms::not_empty)]
    pub at_least: Option<Vec<Located<String>>>,
    /// None of these.
    #[schemars(with = "Vec<Address>")]
    pub absent: Vec<Located<String>>,
}

/// Routes that an interface has, and networks to which it has none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RouteLists {
    /// These, and maybe others.
    #[schemars(transform = forms::not_empty)]
    pub at_least: Option<Vec<Located<RouteFile>>>,
    /// No route to these networks.
    #[serde(default)]
    #[schemars(with = "Vec<NetworkRange>")]
    pub absent: Vec<Located<String>>,
}

/// A route. Only the written fields are compared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RouteFile {
    /// The destination.
    #[schemars(with = "NetworkRange")]
    pub to: Located<String>,
    /// The next hop.
    #[schemars(with = "Option<NextHop>")]
    pub via: Option<Located<String>>,
    /// The scope of an IPv4 route. IPv6 routes have none.
    #[schemars(extend("enum" = ["global", "link", "host"]))]
    pub scope: Option<Located<String>>,
    /// The preferred source address.
    #[schemars(with = "Option<Ip>")]
    pub src: Option<Located<String>>,
    /// The routing table. Without it, the main table.
    #[schemars(with = "Option<Table>")]
    pub table: Option<Located<u32>>,
    /// The metric.
    pub metric: Option<Located<u32>>,
}

/// The default route of one family, counted by next hop over all interfaces.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DefaultFile {
    /// The interface of the default route that is used: the one with the lowest metric, then the first in the kernel's
    /// order. Required unless `count` is 0.
    #[schemars(with = "Option<InterfaceName>")]
    pub dev: Option<Located<String>>,
    /// The number of default routes; 1 by default, 0 means none.
    pub count: Option<Located<usize>>,
    /// The gateway of that route.
    #[schemars(with = "Option<Ip>")]
    pub via: Option<Located<String>>,
}

/// A destination: `to` with or without `at`, or `pod` with `interface`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where<'a> {
    pub to: Option<&'a Located<String>>,
    pub at: Option<&'a Located<String>>,
    pub pod: Option<&'a Located<String>>,
    pub interface: Option<&'a Located<String>>,
    pub v6: Option<&'a Located<bool>>,
}

macro_rules! destination {
    ($file:ty) => {
        impl $file {
            pub fn destination(&self) -> Where<'_> {
                Where {
                    to: self.to.as_ref(),
                    at: self.at.as_ref(),
                    pod: self.pod.as_ref(),
                    interface: self.interface.as_ref(),
                    v6: self.v6.as_ref(),
                }
            }
        }
    };
}

/// An egress probe that gets an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = forms::egress)]
pub(super) struct ReachFile {
    /// The address to send to.
    #[schemars(with = "Option<Ip>")]
    to: Option<Located<String>>,
    /// The external host or pod that has the address: a listener is opened and frames are captured there. Without it,
    /// Plumbline has no listener there.
    #[schemars(with = "Option<Name>")]
    at: Option<Located<String>>,
    /// The pod to send to, at the first observed address of its `interface`. Under the name of copies: each copy but the
    /// sender.
    #[schemars(with = "Option<Name>")]
    pod: Option<Located<String>>,
    /// The interface of `pod`.
    #[schemars(with = "Option<InterfaceName>")]
    interface: Option<Located<String>>,
    /// `true` sends to the IPv6 address of `pod`.
    v6: Option<Located<bool>>,
    /// The protocol.
    #[schemars(with = "EgressProtocol")]
    pub by: Located<String>,
    /// The destination's port. UDP and TCP need one.
    #[schemars(with = "Option<Port>")]
    pub port: Option<Located<i64>>,
    /// With `by: udp`: the destination is a name server, and this whole name is requested (no search list). It excludes `at`,
    /// because Plumbline's listeners know no names.
    pub lookup: Option<Located<String>>,
    /// The address that is the only right answer (PL407). For an IPv6 address the request is for AAAA.
    #[schemars(with = "Option<Ip>")]
    pub resolves_to: Option<Located<String>>,
    /// The source address to bind to.
    #[schemars(with = "Option<Ip>")]
    pub from: Option<Located<String>>,
    /// The pod's interface through which the request leaves and the answer arrives; both are captured there. `arp` needs it.
    #[schemars(with = "Option<InterfaceName>")]
    pub through: Option<Located<String>>,
    /// The next hop: the frames' destination MAC is that of the neighbour with this address.
    #[schemars(with = "Option<Ip>")]
    pub gateway: Option<Located<String>>,
    /// The source address that the requests have at the destination.
    #[schemars(with = "Option<Ip>")]
    pub seen_from: Option<Located<String>>,
    /// The VLAN ids of the requests on the node's uplink, outermost first; `[]` is untagged. A tagged test frame shows that
    /// the capture works.
    #[schemars(with = "Option<Vec<VlanId>>", length(max = 2))]
    pub tags: Option<Located<Vec<Located<i64>>>>,
    /// The priority bits of the requests on the node's uplink, in the outermost of the `tags`.
    #[schemars(with = "Option<Priority>")]
    pub priority: Option<Located<i64>>,
}
destination!(ReachFile);

/// An egress probe that gets no answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = forms::destination)]
pub(super) struct UnreachableFile {
    /// The address to send to.
    #[schemars(with = "Option<Ip>")]
    to: Option<Located<String>>,
    /// The external host or pod that has the address.
    #[schemars(with = "Option<Name>")]
    at: Option<Located<String>>,
    /// The pod to send to, at the first observed address of its `interface`.
    #[schemars(with = "Option<Name>")]
    pod: Option<Located<String>>,
    /// The interface of `pod`.
    #[schemars(with = "Option<InterfaceName>")]
    interface: Option<Located<String>>,
    /// `true` sends to the IPv6 address of `pod`.
    v6: Option<Located<bool>>,
    /// The protocol.
    #[schemars(with = "EgressProtocol")]
    pub by: Located<String>,
    /// The destination's port. UDP and TCP need one.
    #[schemars(with = "Option<Port>")]
    pub port: Option<Located<i64>>,
    /// The source address to bind to.
    #[schemars(with = "Option<Ip>")]
    pub from: Option<Located<String>>,
    /// Why there is no answer. A different reason is a finding.
    #[schemars(with = "Reason")]
    pub because: Option<Located<String>>,
    /// A destination that the same pod reaches by the same protocol in the same window.
    #[schemars(with = "ControlFile")]
    pub control: Option<Located<ControlFile>>,
    /// The external host or pod that reaches the same destination in the same window, as a second control. Required
    /// unless `because` is `no-route`.
    #[schemars(with = "Option<Name>")]
    pub reached_by: Option<Located<String>>,
}
destination!(UnreachableFile);

/// An ingress probe: the sender connects to a `hostPort` of the pod at the pod's node. A listener in the pod answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ReachedByFile {
    /// What sends the request: an external host, a pod (the pod itself for a hairpin), `node` (the pod's node) or
    /// `node-2`.
    #[schemars(with = "Name")]
    pub sender: Located<String>,
    /// Where it is sent to. `node` (default): the node's address on the link of its default route, as kubelet chooses it.
    /// `localhost`: with `sender: node` only.
    #[schemars(extend("enum" = ["node", "localhost"]))]
    pub at: Option<Located<String>>,
    /// The protocol.
    #[schemars(with = "IngressProtocol")]
    pub by: Located<String>,
    /// The node's port: a `hostPort` of the pod's containers. The pod's port follows from it.
    #[schemars(with = "Port")]
    pub port: Located<i64>,
    /// `true` uses the node's IPv6 address.
    pub v6: Option<Located<bool>>,
    /// The source address that the requests have in the pod: an address, or the name of an external host, a pod, `node`
    /// or `node-2` for any of its addresses.
    pub seen_from: Option<Located<String>>,
    /// The node's interface (of `ports`) through which the answer leaves. Without it, the one through which the request
    /// arrived. Frames are captured at each, even if no answer arrives.
    #[schemars(with = "Option<InterfaceName>")]
    pub back_by: Option<Located<String>>,
}

/// The destination of a control.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = forms::destination)]
pub(super) struct ControlFile {
    /// The address to send to.
    #[schemars(with = "Option<Ip>")]
    to: Option<Located<String>>,
    /// The external host or pod that has the address.
    #[schemars(with = "Option<Name>")]
    at: Option<Located<String>>,
    /// The pod to send to, at the first observed address of its `interface`.
    #[schemars(with = "Option<Name>")]
    pod: Option<Located<String>>,
    /// The interface of `pod`.
    #[schemars(with = "Option<InterfaceName>")]
    interface: Option<Located<String>>,
    /// `true` sends to the IPv6 address of `pod`.
    v6: Option<Located<bool>>,
}
destination!(ControlFile);
