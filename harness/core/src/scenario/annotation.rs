//! The annotation `k8s.v1.cni.cncf.io/networks`, in both of its forms
//! (Multus, `pkg/k8sclient/k8sclient.go`, `parsePodNetworkAnnotation`).

use super::names;
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

/// The keys of [`Element`].
const KEYS: [&str; 13] = [
    "name",
    "namespace",
    "interface",
    "ips",
    "mac",
    "cni-args",
    "default-route",
    "portMappings",
    "bandwidth",
    "infiniband-guid",
    "deviceID",
    "ipam-claim-reference",
    DEPRECATED_INTERFACE,
];

/// What an annotation requests, and what is wrong in it.
#[derive(Debug, Default)]
pub struct ReadAnnotation {
    /// The attachments that can be read, each with the element's position from 0.
    pub attachments: Vec<(usize, Attachment)>,
    /// Every mistake found, with the element's position where it concerns one.
    pub errors: Vec<(Option<usize>, String)>,
}

/// Reads the annotation. An element without an interface name gets `net<N>`, N its position from 1: the default
/// network counts as 0, named elements count too (upstream.md, section 4; Multus `getIfname`).
pub fn read(text: &str) -> ReadAnnotation {
    let mut read = ReadAnnotation::default();
    let elements = if text.contains(['[', '{', '"']) { from_json(text) } else { from_list(text) };
    let elements = match elements {
        Ok(elements) => elements,
        Err(message) => {
            read.errors.push((None, message));
            return read;
        }
    };
    if elements.len() > MAX_ATTACHMENTS {
        let message = format!("{} networks for one pod; at most {MAX_ATTACHMENTS} are accepted", elements.len());
        read.errors.push((None, message));
        return read;
    }
    for (index, element) in elements.into_iter().enumerate() {
        match attachment(element, index) {
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
    let usual = |key: String| match KEYS.iter().find(|known| known.eq_ignore_ascii_case(&key)) {
        Some(known) => (*known).to_owned(),
        None => key,
    };
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

fn attachment(element: Element, index: usize) -> Result<Attachment, Vec<String>> {
    let mut errors = Vec::new();
    let mut note = |result: Result<(), String>| {
        if let Err(error) = result {
            errors.push(error);
        }
    };
    note(names::label(&element.name));
    if let Some(namespace) = &element.namespace {
        note(names::label(namespace));
    }
    let deprecated = element.others.get(DEPRECATED_INTERFACE).and_then(Value::as_str).map(str::to_owned);
    let interface = match element.interface {
        Some(name) if !name.is_empty() || deprecated.is_none() => name,
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
    let mac = element.mac.map(|mac| names::mac(&mac));
    if let Some(Err(error)) = &mac {
        note(Err(error.clone()));
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
        namespace: element.namespace,
        interface,
        ips: element.ips,
        mac: mac.and_then(Result::ok),
        cni_args: element.cni_args,
        default_route,
        port_mappings: element.port_mappings,
        bandwidth: element.bandwidth,
        other_keys: element.others.into_keys().collect(),
    })
}

/// Ports from 1 to 65535, protocol `tcp`, `udp` or `sctp`, no host port twice.
fn port_mappings(value: &Value) -> Result<(), String> {
    let list = value.as_array().ok_or("`portMappings` is not a list")?;
    let mut seen = Vec::new();
    for item in list {
        let port = |key: &str| match &item[key] {
            value if value.as_u64().is_some_and(|port| (1..=65535).contains(&port)) => Ok(value.as_u64()),
            value => Err(format!("`{key}` must be a port from 1 to 65535, and is {value}")),
        };
        let host = port("hostPort")?;
        port("containerPort")?;
        let protocol = item.get("protocol").and_then(Value::as_str).unwrap_or("tcp").to_ascii_lowercase();
        if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
            return Err(format!("protocol `{protocol}` has no ports"));
        }
        let place = (host, protocol, item.get("hostIP").cloned());
        if seen.contains(&place) {
            return Err(format!("host port {} is mapped twice", item["hostPort"]));
        }
        seen.push(place);
    }
    Ok(())
}
