//! Which node of a cluster is which node of a scenario, and pods on theirs.

use ipnet::IpNet;
use plumbline_cluster::provider::{DefaultNetworkProvider, Providers};
use plumbline_core::plan::{Plan, Topology};
use plumbline_core::verdict::Adaptation;
use serde_json::{Value, json};

/// Why a plan can't be built on a cluster with so many places; none when it can.
#[must_use]
pub fn lack(plan: &Plan, places: usize, profile: &str) -> Option<String> {
    let Topology { nodes, bridges, .. } = &plan.topology;
    if *nodes > places {
        return Some(format!("needs {nodes} nodes, profile {profile} has {places}"));
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

/// Why a plan's default network, or its attachments, can't be had on a cluster; none when they can.
#[must_use]
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

/// Why a plan that is for a cluster with certain ranges is not for this one; none when it is, or says nothing of them.
#[must_use]
pub fn lack_of_ranges(plan: &Plan, own: &[IpNet], profile: &str) -> Option<String> {
    let wanted = &plan.topology.cluster_ranges;
    let listed = |nets: &[IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    (!wanted.iter().all(|net| own.contains(net)))
        .then(|| format!("is for a cluster with the ranges {}; profile {profile} has {}", listed(wanted), listed(own)))
}

/// Puts a pod on `node`, past the scheduler, and tells it.
#[must_use]
pub fn put(pod: &mut Value, node: &str, number: usize) -> Option<Adaptation> {
    let object = format!("pod/{}", pod["metadata"]["name"].as_str().unwrap_or_default());
    let spec = pod.get_mut("spec")?.as_object_mut()?;
    let from = spec.insert("nodeName".to_owned(), json!(node));
    let from = from.and_then(|from| from.as_str().map(str::to_owned));
    (from.as_deref() != Some(node)).then(|| Adaptation {
        object,
        field: "spec.nodeName".to_owned(),
        from,
        to: node.to_owned(),
        reason: format!("it is the scenario's node {number}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::plan::Bridge;

    fn plan(topology: Topology) -> Plan {
        Plan { name: "a/b".into(), topology, ..Plan::default() }
    }

    #[test]
    fn what_the_cluster_can_not_be_is_said_in_words() {
        let two = plan(Topology { nodes: 2, ..Topology::default() });
        assert_eq!(lack(&two, 1, "hermetic").unwrap(), "needs 2 nodes, profile hermetic has 1");
        assert_eq!(lack(&two, 2, "three-nodes"), None);
        let bridge = |name: &str| Bridge { name: name.into(), uplink: Some("out".into()), ..Bridge::default() };
        let bridges = vec![bridge("br-a"), bridge("br-b")];
        assert!(lack(&plan(Topology { bridges, ..Topology::default() }), 1, "p").unwrap().contains("uplink out"));
        let bridges = vec![Bridge { vlan_filtering: true, ..bridge("br-a") }];
        assert!(lack(&plan(Topology { bridges, ..Topology::default() }), 1, "p").unwrap().contains("br-a"));
    }

    #[test]
    fn a_scenario_for_other_ranges_is_not_for_this_cluster() {
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
    fn a_pod_is_put_and_that_is_told_unless_it_was_there_already() {
        let mut pod = json!({ "metadata": { "name": "p" }, "spec": {} });
        let told = put(&mut pod, "n-worker2", 2).unwrap();
        assert_eq!((told.field.as_str(), told.from, told.to.as_str()), ("spec.nodeName", None, "n-worker2"));
        assert_eq!(pod["spec"]["nodeName"], "n-worker2");
        assert_eq!(put(&mut pod, "n-worker2", 2), None);
    }
}
