//! The annotation `k8s.v1.cni.cncf.io/networks`, in both of its forms
//! (Multus, `pkg/k8sclient/k8sclient.go`, `parsePodNetworkAnnotation`).

use super::names;
use crate::chain::go_key;
use crate::keys::{KeyTable, Object};
use crate::plan::{Attachment, DEPRECATED_INTERFACE};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The annotation's key.
pub const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";

/// Most attachments accepted for one pod.
pub const MAX_ATTACHMENTS: usize = 64;

/// One element of the JSON form.
#[derive(Debug, Default, Deserialize)]
struct Element {
    name: String,
    namespace: Option<String>,
    interface: Option<String>,
    #[serde(default)]
    ips: Vec<String>,
    mac: Option<String>,
    #[serde(rename = "cni-args")]
    cni_args: Option<Value>,
    #[serde(rename = "default-route")]
    default_route: Option<Vec<String>>,
    #[serde(rename = "portMappings")]
    port_mappings: Option<Value>,
    bandwidth: Option<Value>,
    #[serde(rename = "infiniband-guid")]
    _infiniband_guid: Option<Value>,
    #[serde(rename = "deviceID")]
    _device: Option<Value>,
    /// Multus ignores it; OVN-Kubernetes reads it (network-attachment-definition-client, `v1/types.go`).
    #[serde(rename = "ipam-claim-reference")]
    _claim: Option<Value>,
    /// Keys that Multus ignores, and the deprecated one for the interface.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// What an annotation requests, and what is wrong in it.
#[derive(Debug, Default)]
pub struct ReadAnnotation {
    /// The attachments that can be read, each with the element's position from 0.
    pub attachments: Vec<(usize, Attachment)>,
    /// Every mistake found, with the element's position where it concerns one.
    pub errors: Vec<(Option<usize>, String)>,
}

/// Reads the annotation. An element without an interface name gets `net<N>`, N its position from 1: the default
/// network counts as 0, named elements count too (Multus `getIfname`).
pub fn read(text: &str) -> ReadAnnotation {
    let mut read = ReadAnnotation::default();
    let is_json = text.contains(['[', '{', '"']);
    let elements = if is_json { from_json(text) } else { from_list(text) };
    let elements = match elements {
        Ok(elements) => elements,
        Err(message) => {
            read.errors.push((None, message));
            return read;
        }
    };
    if elements.len() > MAX_ATTACHMENTS {
        let message = format!("{} networks for one pod; at most {MAX_ATTACHMENTS} are read here", elements.len());
        read.errors.push((None, message));
        return read;
    }
    for (index, element) in elements.into_iter().enumerate() {
        match attachment(element, index, is_json) {
            Ok(attachment) => {
                if read.attachments.iter().any(|(_, other)| other.interface == attachment.interface) {
                    let message = format!("two attachments ask for interface `{}`", attachment.interface);
                    read.errors.push((Some(index), message));
                }
                read.attachments.push((index, attachment));
            }
            Err(found) => read.errors.extend(found.into_iter().map(|message| (Some(index), message))),
        }
    }
    read
}

fn from_json(text: &str) -> Result<Vec<Element>, String> {
    let wrong = |error: serde_json::Error| format!("not a JSON list of networks: {error}");
    let elements = serde_json::from_str::<Vec<Map<String, Value>>>(text).map_err(wrong)?;
    elements.into_iter().map(|keys| serde_json::from_value(Value::Object(in_usual_case(keys))).map_err(wrong)).collect()
}

/// Go's decoder matches keys without regard to case, and `null` leaves a field as it is.
fn in_usual_case(keys: Map<String, Value>) -> Map<String, Value> {
    let table = KeyTable::embedded().object(Object::NetworkSelection);
    let usual =
        |key: String| table.and_then(|table| table.find(&[], &key)).map_or(key, |known| known.name().to_owned());
    keys.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (usual(key), value)).collect()
}

/// `name`, `namespace/name`, `name@interface`, `namespace/name@interface`, joined by commas.
fn from_list(text: &str) -> Result<Vec<Element>, String> {
    text.split(',')
        .map(str::trim)
        .map(|item| {
            let (rest, interface) = match item.split_once('@') {
                Some((rest, interface)) => (rest, Some(interface.to_owned())),
                None => (item, None),
            };
            let (namespace, name) = match rest.split_once('/') {
                Some((namespace, name)) => (Some(namespace.to_owned()), name),
                None => (None, rest),
            };
            if name.is_empty() {
                return Err("an element without a name".to_owned());
            }
            Ok(Element { name: name.to_owned(), namespace, interface, ..Element::default() })
        })
        .collect()
}

fn attachment(element: Element, index: usize, is_json: bool) -> Result<Attachment, Vec<String>> {
    let mut errors = Vec::new();
    let mut note = |result: Result<(), String>| {
        if let Err(error) = result {
            errors.push(error);
        }
    };
    // Only the short form wants labels (`parsePodNetworkObjectName`).
    note(match names::object(&element.name) {
        Ok(()) if !is_json && names::label(&element.name).is_err() => {
            Err(format!("the short form cannot name the network `{}`: write the JSON form", element.name))
        }
        result => result,
    });
    let namespace = element.namespace.filter(|namespace| !namespace.is_empty());
    if let Some(namespace) = &namespace {
        note(names::label(namespace));
    }
    let deprecated = element.others.get(DEPRECATED_INTERFACE).and_then(Value::as_str).map(str::to_owned);
    let deprecated = deprecated.filter(|name| !name.is_empty());
    let interface = match element.interface {
        Some(name) if !name.is_empty() => name,
        _ => deprecated.unwrap_or_else(|| format!("net{}", index + 1)),
    };
    note(names::interface(&interface));
    if interface == "lo" || interface == "eth0" {
        note(Err(format!("interface `{interface}` belongs to the pod itself or to the default network")));
    }
    for ip in &element.ips {
        let has_length = ip.contains('/');
        note(if has_length { names::pod_address(ip).map(drop) } else { names::ip(ip).map(drop) });
    }
    let mac = element.mac.filter(|mac| !mac.is_empty());
    if let Some(mac) = mac.as_ref().filter(|mac| !is_go_mac(mac)) {
        note(Err(format!("`{mac}` is no MAC address")));
    }
    let mut default_route = element.default_route.is_some().then(Vec::new);
    for gateway in element.default_route.iter().flatten() {
        match names::ip(gateway) {
            Ok(ip) => default_route.iter_mut().for_each(|gateways| gateways.push(ip)),
            Err(error) => note(Err(error)),
        }
    }
    if let Some(ports) = &element.port_mappings {
        note(port_mappings(ports));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Attachment {
        network: element.name,
        namespace,
        interface,
        ips: element.ips,
        mac: mac.map(|mac| names::mac(&mac).unwrap_or(mac)),
        cni_args: element.cni_args,
        default_route,
        port_mappings: element.port_mappings,
        bandwidth: element.bandwidth,
        other_keys: element.others.into_keys().collect(),
    })
}

/// Whether Go's `net.ParseMAC` reads an address: 6, 8 or 20 bytes, with colons, hyphens, or dots after each second one.
/// What the plugin makes of it is another matter.
fn is_go_mac(text: &str) -> bool {
    let is_hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    [(':', 2), ('-', 2), ('.', 4)].into_iter().any(|(separator, length)| {
        let parts: Vec<&str> = text.split(separator).collect();
        [6, 8, 20].contains(&(parts.len() * length / 2)) && parts.iter().all(|part| is_hex(part, length))
    })
}

/// Ports from 1 to 65535, protocol `tcp`, `udp` or `sctp`, no host port twice.
fn port_mappings(value: &Value) -> Result<(), String> {
    let list = value.as_array().ok_or("`portMappings` is not a list")?;
    let mut seen = Vec::new();
    for item in list {
        let item = item.as_object().ok_or("an entry of `portMappings` is not an object")?;
        // Go's decoder matches keys without regard to case.
        let field = |key: &str| go_key(item, key);
        let port = |key: &str| match field(key).unwrap_or(&Value::Null) {
            value if value.as_u64().is_some_and(|port| (1..=65535).contains(&port)) => Ok(value.as_u64()),
            value => Err(format!("`{key}` must be a port from 1 to 65535, and is {value}")),
        };
        let host = port("hostPort")?;
        port("containerPort")?;
        let protocol = field("protocol").and_then(Value::as_str).unwrap_or("tcp").to_ascii_lowercase();
        if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
            return Err(format!("protocol `{protocol}` has no ports"));
        }
        let place = (host, protocol, field("hostIP").cloned());
        if seen.contains(&place) {
            return Err(format!("host port {} is mapped twice", host.unwrap_or_default()));
        }
        seen.push(place);
    }
    Ok(())
}
