//! The reported view of a pod's attachments: the cached results on its node and the network-status annotation, merged by
//! interface, with the network names of the plan.

use crate::namespaces::Namespaces;
use plumbline_core::observe::Reported;
use plumbline_core::plan::Pod;
use serde_json::Value;

/// The annotation in which Multus reports the attachments (de-facto standard, section 4.2).
pub const STATUS: &str = "k8s.v1.cni.cncf.io/network-status";

/// Merges `cached` results (`(interface, network, result)`) with the text of the network-status annotation.
/// An annotation that is no JSON list is ignored, so the judge gets no status.
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
            network: restore_name(entry["name"].as_str().unwrap_or_default(), namespaces),
            result: None,
            status: Some(entry),
        })
        .collect();
    for (interface, network, result) in cached {
        if let Some(known) = all.iter_mut().find(|r| r.interface == interface) {
            known.result = Some(result);
            continue;
        }
        // A result's file has the network name of the configuration, without a namespace.
        let requested = pod.attachments.iter().find(|a| a.interface == interface);
        let network = requested.map_or(network, |a| match a.namespace.as_deref().or(pod.namespace.as_deref()) {
            Some(namespace) => format!("{namespace}/{}", a.network),
            None => a.network.clone(),
        });
        all.push(Reported { interface, network, result: Some(result), status: None });
    }
    all
}

/// `namespace/name` with the written namespace; only the name if none was written.
fn restore_name(name: &str, namespaces: &Namespaces) -> String {
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
    fn results_and_status_are_merged_by_interface_with_the_written_names() {
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
