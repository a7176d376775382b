//! Why a cluster can't run a plan, and which cluster node is which node of a scenario.

use ipnet::IpNet;
use plumbline_cluster::cluster::{DefaultNetworkProvider, Providers};
use plumbline_core::plan::{Plan, Topology};
use plumbline_core::verdict::Adaptation;
use plumbline_kube::objects::{object_name, pod_template};
use serde_json::{Value, json};

/// Why a plan can't run on a cluster with this number of nodes for scenarios. None if it can.
pub fn lack(plan: &Plan, available: usize, profile: &str) -> Option<String> {
    let Topology { nodes, bridges, .. } = &plan.topology;
    if *nodes > available {
        return Some(format!("needs {nodes} nodes, profile {profile} has {available}"));
    }
    for workload in &plan.workloads {
        let pods = plan.pods.iter().enumerate().filter(|(_, pod)| workload.pods.contains(&pod.name));
        let mut numbers: Vec<usize> = pods.map(|(place, pod)| plan.topology.node_of(pod.node, place)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() > 1 {
            let title = format!("{} {}", workload.kind, workload.name);
            return Some(format!("needs the pods of {title} on {} nodes: one pod template names one", numbers.len()));
        }
    }
    if let Some(bridge) = bridges.iter().find(|bridge| bridge.vlan_filtering) {
        let name = &bridge.name;
        return Some(format!(
            "needs bridge {name} to keep VLANs apart: the bridges of this lane are shared, and do not"
        ));
    }
    let mut uplinks: Vec<&String> = bridges.iter().filter_map(|bridge| bridge.uplink.as_ref()).collect();
    uplinks.sort();
    let twice = uplinks.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    twice.map(|uplink| format!("needs two bridges on uplink {uplink}: a container has one interface on a network"))
}

/// Why a cluster can't provide a plan's default network or attachments. None if it can.
pub fn lack_of_network(
    plan: &Plan,
    providers: Providers,
    provided: Option<&dyn DefaultNetworkProvider>,
    profile: &str,
) -> Option<String> {
    let attached = plan.pods.iter().any(|pod| !pod.attachments.is_empty());
    let wanted = providers.iter().find(|provider| provider.provides(plan));
    match (wanted, &plan.topology.default_network, provided) {
        (Some(wanted), _, Some(provided)) if wanted.name() == provided.name() => provided.lack(plan),
        (Some(wanted), ..) => {
            let (title, name) = (wanted.title(), wanted.name());
            Some(format!("is for a cluster with {title}; profile {profile} has none, profile {name} has"))
        }
        (None, Some(own), _) => {
            Some(format!("brings a default network of its own, {}: a cluster has its profile's", own.name))
        }
        (None, None, Some(_)) if attached => {
            Some(format!("attaches networks by Multus, which profile {profile} has not"))
        }
        (None, None, _) => None,
    }
}

/// Why a plan for a cluster with certain ranges can't run on this one. None if it can, or names no ranges.
pub fn lack_of_ranges(plan: &Plan, own: &[IpNet], profile: &str) -> Option<String> {
    let wanted = &plan.topology.cluster_ranges;
    let listed = |nets: &[IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    (!wanted.iter().all(|net| own.contains(net)))
        .then(|| format!("is for a cluster with the ranges {}; profile {profile} has {}", listed(wanted), listed(own)))
}

/// Places a Pod, or all pods of a workload, on `node`, past the scheduler.
pub fn place_on_node(object: &mut Value, node: &str, number: usize) -> Option<Adaptation> {
    let name = object_name(object);
    let (pod, path) = pod_template(object)?;
    let spec = pod.get_mut("spec")?.as_object_mut()?;
    let from = spec.insert("nodeName".to_owned(), json!(node));
    let from = from.and_then(|from| from.as_str().map(str::to_owned));
    (from.as_deref() != Some(node)).then(|| Adaptation {
        object: name,
        field: format!("{path}spec.nodeName"),
        from,
        to: node.to_owned(),
        reason: format!("it is the scenario's node {number}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::plan::{Bridge, Pod, Workload};

    fn plan(topology: Topology) -> Plan {
        Plan { name: "a/b".into(), topology, ..Plan::default() }
    }

    #[test]
    fn a_plan_that_the_cluster_cannot_have_is_refused_with_the_reason() {
        let two = plan(Topology { nodes: 2, ..Topology::default() });
        assert_eq!(lack(&two, 1, "hermetic").unwrap(), "needs 2 nodes, profile hermetic has 1");
        assert_eq!(lack(&two, 2, "three-nodes"), None);
        let pod = |name: &str| Pod {
            name: name.into(),
            namespace: None,
            manifest: Value::Null,
            attachments: Vec::new(),
            node: None,
            source: Default::default(),
        };
        let workload = Workload {
            kind: "Deployment".into(),
            name: "web".into(),
            namespace: None,
            manifest: Value::Null,
            pods: vec!["a".into(), "b".into()],
        };
        let spread = Plan { pods: vec![pod("a"), pod("b")], workloads: vec![workload], ..two.clone() };
        assert!(lack(&spread, 2, "p").unwrap().starts_with("needs the pods of Deployment web on 2 nodes"));
        let bridge = |name: &str| Bridge { name: name.into(), uplink: Some("out".into()), ..Bridge::default() };
        let bridges = vec![bridge("br-a"), bridge("br-b")];
        assert!(lack(&plan(Topology { bridges, ..Topology::default() }), 1, "p").unwrap().contains("uplink out"));
        let bridges = vec![Bridge { vlan_filtering: true, ..bridge("br-a") }];
        assert!(lack(&plan(Topology { bridges, ..Topology::default() }), 1, "p").unwrap().contains("br-a"));
    }

    #[test]
    fn a_scenario_for_other_ranges_is_skipped() {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        let own = nets(&["10.128.0.0/14", "172.30.0.0/16"]);
        let wants = |texts: &[&str]| plan(Topology { cluster_ranges: nets(texts), ..Topology::default() });
        assert_eq!(lack_of_ranges(&wants(&[]), &own, "p"), None);
        assert_eq!(lack_of_ranges(&wants(&["172.30.0.0/16", "10.128.0.0/14"]), &own, "p"), None);
        assert_eq!(
            lack_of_ranges(&wants(&["172.30.0.0/16", "10.132.0.0/14"]), &own, "p").unwrap(),
            "is for a cluster with the ranges 172.30.0.0/16 and 10.132.0.0/14; profile p has 10.128.0.0/14 and 172.30.0.0/16"
        );
    }

    #[test]
    fn a_pod_is_placed_and_the_adaptation_is_given_once() {
        let mut pod = json!({ "metadata": { "name": "p" }, "spec": {} });
        let made = place_on_node(&mut pod, "n-worker2", 2).unwrap();
        assert_eq!((made.field.as_str(), made.from, made.to.as_str()), ("spec.nodeName", None, "n-worker2"));
        assert_eq!(pod["spec"]["nodeName"], "n-worker2");
        assert_eq!(place_on_node(&mut pod, "n-worker2", 2), None);
    }
}
