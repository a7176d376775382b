//! What the CNI side says of a pod's attachments: the cached results on its node, and the network-status annotation,
//! brought together by interface and named as the plan names networks.

use crate::namespaces::Namespaces;
use plumbline_core::observe::Reported;
use plumbline_core::plan::Pod;
use serde_json::Value;

/// The annotation in which Multus writes what was attached (de-facto standard, section 4.2).
pub const STATUS: &str = "k8s.v1.cni.cncf.io/network-status";

/// Brings together `cached` results (`(interface, network, result)`) and the text of the network-status annotation.
/// An annotation that is no JSON list is left out; the judge then sees no status.
pub fn merge_reported(
    pod: &Pod,
    namespaces: &Namespaces,
    cached: Vec<(String, String, Value)>,
    status: Option<&str>,
) -> Vec<Reported> {
    let entries: Vec<Value> = status.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut all: Vec<Reported> = entries
        .into_iter()
        .map(|entry| Reported {
            interface: entry["interface"].as_str().unwrap_or_default().to_owned(),
            network: written(entry["name"].as_str().unwrap_or_default(), namespaces),
            result: None,
            status: Some(entry),
        })
        .collect();
    for (interface, network, result) in cached {
        if let Some(known) = all.iter_mut().find(|r| r.interface == interface) {
            known.result = Some(result);
            continue;
        }
        // A result's file names the network as its configuration does, without a namespace.
        let asked = pod.attachments.iter().find(|a| a.interface == interface);
        let network = asked.map_or(network, |a| match a.namespace.as_deref().or(pod.namespace.as_deref()) {
            Some(namespace) => format!("{namespace}/{}", a.network),
            None => a.network.clone(),
        });
        all.push(Reported { interface, network, result: Some(result), status: None });
    }
    all
}

/// `namespace/name` with the namespace as written; the name alone where none was written.
fn written(name: &str, namespaces: &Namespaces) -> String {
    match name.split_once('/') {
        Some((namespace, name)) => match namespaces.written(namespace) {
            "" => name.to_owned(),
            written => format!("{written}/{name}"),
        },
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn results_and_status_meet_at_the_interface_under_the_written_names() {
        let namespaces = Namespaces::own(["chain-example"], "x", "7f");
        let pod = Pod {
            name: "p".into(),
            namespace: Some("chain-example".into()),
            manifest: json!({}),
            attachments: Vec::new(),
            node: None,
            source: Default::default(),
        };
        let status = json!([{ "name": "plumbline-default", "interface": "eth0", "default": true },
            { "name": "chain-example-7f/management-net", "interface": "eth1" }])
        .to_string();
        let cached = vec![("eth1".to_owned(), "management-net".to_owned(), json!({ "cniVersion": "1.0.0" }))];
        let all = merge_reported(&pod, &namespaces, cached, Some(&status));
        let names: Vec<_> = all.iter().map(|r| (r.network.as_str(), r.result.is_some())).collect();
        assert_eq!(names, [("plumbline-default", false), ("chain-example/management-net", true)]);
        assert_eq!(merge_reported(&pod, &namespaces, Vec::new(), Some("not json")), []);
    }
}
