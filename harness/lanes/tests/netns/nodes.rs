//! Scenarios with several nodes, and leases that IPAM leaves on them.

use crate::testbed::{Scripts, chain, context, observe_once, open, plan, scenario};
use plumbline_core::observe::{Leak, PodObservation};
use plumbline_core::wire::ProbeEnd;
use plumbline_lanes::context::Options;
use serde_json::json;

fn eth0(pod: &PodObservation) -> String {
    let links = &pod.kernel.as_ref().expect("kernel state").links;
    let link = links.iter().find(|link| link.name == "eth0").expect("eth0");
    link.addresses[0].address.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_has_its_own_range_and_packets_pass_between_nodes() {
    let cx = context(Options::default());
    let lane = open(&cx).await;
    let plan = scenario("suites/scenarios/openshift/traffic-between-nodes.yaml");
    let seen = observe_once(lane.as_ref(), &cx, &plan).await.unwrap();
    let places: Vec<(&str, String)> = seen.pods.iter().map(|pod| (pod.node.as_str(), eth0(pod))).collect();
    let wanted = [
        ("netns-2", "100.64.1.2/24"),
        ("netns-1", "100.64.0.2/24"),
        ("netns-2", "100.64.1.3/24"),
        ("netns-1", "100.64.0.3/24"),
    ];
    assert_eq!(places, wanted.map(|(node, address)| (node, address.to_owned())));

    let wire = seen.wire.expect("probe results");
    assert_eq!(wire.results.probes.len(), wire.script.probes.len());
    for probe in &wire.results.probes {
        assert!(matches!(probe.end, ProbeEnd::Answered { .. } | ProbeEnd::Sent), "{probe:?}");
    }
    assert!(wire.results.captures.iter().all(|capture| capture.dropped == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_outlives_its_pod_is_a_leak() {
    let lease = "/var/lib/cni/networks/net";
    let result = r#"echo '{"cniVersion":"1.0.0"}'"#;
    let add = format!(
        "mkdir -p {lease}; echo $CNI_CONTAINERID > {lease}/10.9.9.9; echo x > {lease}/10.9.9.8; : > {lease}/lock; {result}"
    );
    let scripts = Scripts::new().with("leaky", &format!("[ \"$CNI_COMMAND\" = ADD ] && {{ {add}; }}\nexit 0"));
    let cx = context(scripts.options());
    let lane = open(&cx).await;
    let network = chain("net", &[json!({"type": "leaky", "ipam": {"type": "host-local"}})]);
    let staged = lane.stage(&cx, &plan(&[("net", network)])).await.unwrap();
    let closed = staged.close().await;
    let leak = |pod: Option<&str>, address: &str| Leak {
        kind: Default::default(),
        pod: pod.map(str::to_owned),
        what: format!("{address} of network net"),
        place: format!("{lease} on node 1"),
    };
    let wanted = vec![leak(None, "10.9.9.8"), leak(Some("chain-test-pod"), "10.9.9.9")];
    assert_eq!((closed.left_behind, closed.leaks), (vec![], Some(wanted)));
}

#[tokio::test(flavor = "multi_thread")]
async fn released_leases_are_no_leaks() {
    let cx = context(Options::default());
    let lane = open(&cx).await;
    let mut staged = lane.stage(&cx, &scenario("suites/scenarios/openshift/traffic.yaml")).await.unwrap();
    let seen = staged.observe(&cx).await.unwrap();
    assert_eq!(eth0(&seen.pods[0]), "100.64.0.2/24");
    let closed = staged.close().await;
    assert_eq!((closed.left_behind, closed.leaks), (vec![], Some(vec![])));
}
