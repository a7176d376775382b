//! The forms of names, addresses and numbers in a scenario file, for its schema. [`super::names`] has the exact rules;
//! a pattern here refuses what can never follow them.

use crate::plan::{Because, CAPABILITIES, LANES};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Link kinds that rtnetlink knows and plugins make; `physical` is a link without a kind.
pub(super) const LINK_KINDS: [&str; 14] = [
    "macvlan", "ipvlan", "veth", "bridge", "vlan", "vrf", "dummy", "bond", "vxlan", "tun", "ifb", "macvtap", "netkit",
    "physical",
];
/// Most nodes of one scenario: a larger number is a misspelling.
pub(super) const MAX_NODES: i64 = 16;
/// Most copies of one pod: a node takes about as many (kubelet's `maxPods` is 110).
pub(super) const MAX_COPIES: i64 = 100;

/// A form of a value, by its name in the schema.
macro_rules! forms {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:tt;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub(super) enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!($schema);
                schema.insert("description".to_owned(), concat!($($doc),+).trim().into());
                schema
            }
        }
    )+};
}

forms! {
    /// The name of a Kubernetes object: at most 63 of `a-z`, `0-9`, `-`, alphanumeric at both ends.
    Name = { "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 63 };
    /// The name of a scenario: names joined by `/`.
    ScenarioName = {
        "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(/[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", "maxLength": 120
    };
    /// An interface name: at most 15 characters, without `/`, `:` and blanks.
    InterfaceName = { "type": "string", "pattern": "^[^/:\\s]{1,15}$" };
    /// An IP address with its prefix length, such as `192.168.100.10/24`.
    Address = { "type": "string", "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$" };
    /// A network without host bits, such as `10.0.0.0/8`; `default` is `0.0.0.0/0`, `default6` is `::/0`.
    NetworkRange = { "type": "string", "pattern": "^(default6?|[0-9A-Fa-f:.]+/[0-9]{1,3})$" };
    /// An IP address without prefix length.
    Ip = { "type": "string", "pattern": "^[0-9A-Fa-f:.]+$" };
    /// The next hop of a route: an IP address, or `none` for an on-link route.
    NextHop = { "type": "string", "pattern": "^(none|[0-9A-Fa-f:.]+)$" };
    /// A MAC address of six bytes.
    Mac = { "type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$" };
    /// The number of a requirement, such as `R01`.
    RequirementNumber = { "type": "string", "pattern": "^R[0-9]{2}$" };
    /// A VLAN id.
    VlanId = { "type": "integer", "minimum": 1, "maximum": 4094 };
    /// Priority bits of a VLAN tag (PCP).
    Priority = { "type": "integer", "minimum": 0, "maximum": 7 };
    /// A port of UDP or TCP.
    Port = { "type": "integer", "minimum": 1, "maximum": 65535 };
    /// A number of nodes.
    NodeCount = { "type": "integer", "minimum": 1, "maximum": MAX_NODES };
    /// A node of the topology, from 1.
    NodeNumber = { "type": "integer", "minimum": 1, "maximum": MAX_NODES };
    /// A number of copies.
    CopyCount = { "type": "integer", "minimum": 1, "maximum": MAX_COPIES };
    /// A routing table that the kernel has no name for.
    OwnTable = { "type": "integer", "minimum": 1, "maximum": u32::MAX, "not": { "enum": [253, 254, 255] } };
    /// A routing table; 254 is `main`. The table `local` (255) is not judged.
    Table = { "type": "integer", "minimum": 1, "maximum": u32::MAX, "not": { "enum": [255] } };
    /// A capability of a lane.
    Capability = { "enum": CAPABILITIES };
    /// A lane.
    Lane = { "enum": LANES };
    /// The kind of a link, as rtnetlink names it; `physical` for a link without a kind.
    LinkKind = { "enum": LINK_KINDS };
    /// The protocol of an egress probe; `arp` is neighbour discovery for IPv6.
    EgressProtocol = { "enum": ["icmp", "udp", "tcp", "arp"] };
    /// The protocol of an ingress probe.
    IngressProtocol = { "enum": ["udp", "tcp"] };
    /// Why a destination is not reached: `no-route` (the sender's kernel has none), `no-answer`, `refused` (by the far side),
    /// `filtered` (by a node on the way).
    Reason = { "enum": (reasons()) };
    /// A value of an axis that is its own name: a text or a number.
    AxisScalar = { "type": ["string", "number", "boolean"] };
    /// The name of a value of an axis, or a list of names.
    CaseNames = {
        "anyOf": [
            { "type": ["string", "number", "boolean"] },
            { "type": "array", "items": { "type": ["string", "number", "boolean"] } }
        ]
    };
    /// The name of a file, relative to the folder of this one.
    FileName = { "type": "string", "minLength": 1 };
}

fn reasons() -> Value {
    json!(Because::NAMES.map(|(name, _)| name))
}

/// An entry of `networks`: what goes with pods is left out.
pub(super) fn network_entries(schema: &mut Schema) {
    let sources = [json!(["manifest"]), json!(["template"]), json!(["existing"])];
    entries(schema, &["node", "copies"], &sources);
}

/// An entry of `pods`: what goes with networks is left out.
pub(super) fn pod_entries(schema: &mut Schema) {
    entries(schema, &["existing", "namespace"], &[json!(["manifest"]), json!(["template"])]);
}

fn entries(schema: &mut Schema, others: &[&str], sources: &[Value]) {
    let Some(entry) = schema.get_mut("items").and_then(Value::as_object_mut) else { return };
    if let Some(fields) = entry.get_mut("properties").and_then(Value::as_object_mut) {
        fields.retain(|name, _| !others.contains(&name.as_str()));
    }
    let one_of: Vec<Value> = sources.iter().map(|fields| json!({ "required": fields })).collect();
    entry.insert("oneOf".to_owned(), one_of.into());
    entry.insert("dependencies".to_owned(), json!({ "values": ["template"] }));
}

/// A mapping by interface names.
pub(super) fn by_interface(schema: &mut Schema) {
    schema.insert("propertyNames".to_owned(), json!({ "pattern": "^[^/:\\s]{1,15}$" }));
}

/// A mapping by names of sysctls of a network namespace.
pub(super) fn by_sysctl(schema: &mut Schema) {
    schema.insert("propertyNames".to_owned(), json!({ "pattern": "^net[./][A-Za-z0-9._/-]+$" }));
}

/// A list with at least one item.
pub(super) fn not_empty(schema: &mut Schema) {
    schema.insert("minItems".to_owned(), 1.into());
}

/// A scenario has pods.
pub(super) fn with_pods(schema: &mut Schema) {
    require(schema, "pods");
}

/// An external host has ports.
pub(super) fn with_ports(schema: &mut Schema) {
    require(schema, "ports");
}

/// A port of an external host has addresses.
pub(super) fn with_addresses(schema: &mut Schema) {
    require(schema, "addresses");
}

/// A field that the reader itself refuses to miss, with more to say of it than that its type has no default.
fn require(schema: &mut Schema, field: &str) {
    let mut fields = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    fields.push(field.into());
    schema.insert("required".to_owned(), fields.into());
}

/// A destination: an address, or a pod.
pub(super) fn destination(schema: &mut Schema) {
    schema.insert("oneOf".to_owned(), json!([{ "required": ["to"] }, { "required": ["pod", "interface"] }]));
    needs(schema, &[("at", "to"), ("interface", "pod"), ("v6", "pod")]);
}

/// An egress probe.
pub(super) fn egress(schema: &mut Schema) {
    destination(schema);
    needs(schema, &[("lookup", "resolvesTo"), ("resolvesTo", "lookup"), ("gateway", "through"), ("priority", "tags")]);
}

/// A bridge with VLANs of its own.
pub(super) fn bridge(schema: &mut Schema) {
    needs(schema, &[("vlans", "vlanFiltering"), ("vlans", "uplink")]);
}

/// An ENI: pools with their gateways.
pub(super) fn eni(schema: &mut Schema) {
    schema.insert("anyOf".to_owned(), json!([{ "required": ["pool"] }, { "required": ["pool6"] }]));
    needs(schema, &[("pool", "gateway"), ("pool6", "gateway6")]);
}

/// Fields that need another one beside them.
fn needs(schema: &mut Schema, pairs: &[(&str, &str)]) {
    let mut all = schema.get("dependencies").cloned().unwrap_or_else(|| json!({}));
    for (field, other) in pairs {
        match all[*field].as_array_mut() {
            Some(others) => others.push((*other).into()),
            None => all[*field] = json!([other]),
        }
    }
    schema.insert("dependencies".to_owned(), all);
}
