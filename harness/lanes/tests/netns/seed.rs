//! The seed's scenario, alone and many times at once.

use crate::testbed::{context, observe_once, open, pod, scenario};
use futures::future::join_all;
use plumbline_core::observe::{PodState, Witness};
use plumbline_lanes::context::Options;

const SEED: &str = "suites/scenarios/openshift/chain-example.yaml";

#[tokio::test(flavor = "multi_thread")]
async fn the_pod_has_both_networks_and_the_default_network() {
    let cx = context(Options::default());
    let lane = open(&cx).await;
    let observation = observe_once(lane.as_ref(), &cx, &scenario(SEED)).await.unwrap();
    let pod = pod(&observation);
    assert_eq!(pod.state, PodState::Running);
    assert_eq!(pod.witnesses, [Witness::PodIp, Witness::Agent]);
    let kernel = pod.kernel.as_ref().unwrap();
    let names: Vec<&str> = kernel.links.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["lo", "eth0", "eth1", "eth2"], "attached in the order of the annotation");
    let eth1 = &kernel.links[2];
    assert_eq!(eth1.addresses[0].address.to_string(), "192.168.100.10/24");
    let parent = pod.node_links.as_ref().unwrap()[&eth1.parent.unwrap()].as_str();
    assert_eq!((eth1.kind.as_deref(), parent), (Some("macvlan"), "br-ex"));
    let via = |to: &str| {
        let route = kernel.routes.iter().find(|route| route.to.to_string() == to && route.table == 254).unwrap();
        (route.hops[0].dev.clone().unwrap(), route.hops[0].via.map(|via| via.to_string()))
    };
    assert_eq!(via("10.0.0.0/8"), ("eth1".to_owned(), Some("192.168.100.1".to_owned())));
    assert_eq!(via("172.16.0.0/12"), ("eth2".to_owned(), Some("192.168.200.1".to_owned())));
    assert_eq!(via("0.0.0.0/0").0, "eth0");
    let commands: Vec<&str> = pod.transcripts.iter().map(|transcript| transcript.command.as_str()).collect();
    assert_eq!(commands, ["ip a", "ip route"]);
    assert_eq!(pod.sysctls["net.ipv4.conf.all.rp_filter"], "0");

    let reported: Vec<(&str, &str)> =
        pod.reported.iter().map(|one| (one.interface.as_str(), one.network.as_str())).collect();
    let wanted =
        [("eth0", "plumbline-default"), ("eth1", "chain-example/management-net"), ("eth2", "chain-example/sip-net")];
    assert_eq!(reported, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_scenarios_with_the_same_names_and_addresses_run_side_by_side() {
    let cx = context(Options::default());
    let lane = open(&cx).await;
    let plan = scenario(SEED);
    let all = join_all((0..30).map(|_| observe_once(lane.as_ref(), &cx, &plan))).await;
    for observation in all {
        let observation = observation.unwrap();
        assert_eq!(pod(&observation).state, PodState::Running);
        assert_eq!(pod(&observation).kernel.as_ref().unwrap().links.len(), 4);
    }
}
