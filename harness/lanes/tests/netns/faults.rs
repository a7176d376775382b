//! What goes wrong: plugins that fail, networks and plugins that are not there, pods that go.

use crate::testbed::{Scripts, chain, context, macvlan, observed, open, plan, pod};
use plumbline_core::cni::{CniCommand, Exit};
use plumbline_core::observe::{PodObservation, PodState};
use plumbline_lanes::context::Options;
use plumbline_lanes::lane::Lane;
use plumbline_lanes::netns::NetnsLane;
use serde_json::json;
use std::time::Duration;

fn not_ready(pod: &PodObservation) -> &str {
    match &pod.state {
        PodState::NotReady { reason } => reason,
        PodState::Running => panic!("the pod came up"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_binary_is_named_with_its_link_and_the_search_path() {
    let cx = context(Options::default());
    let lane = open(&cx).await;
    let error = chain("half", &[macvlan("192.168.100.10/24"), json!({"type": "no-such-plugin"})]);
    let observation = observed(lane.as_ref(), &cx, &plan(&[("half", error)])).await.unwrap();
    let reason = not_ready(pod(&observation));
    for part in ["plugin 2 of 2", "no-such-plugin", "not found in /opt/cni/bin, filled from /", "half as eth1"] {
        assert!(reason.contains(part), "{part:?} in {reason:?}");
    }
    assert!(pod(&observation).kernel.is_none(), "a pod that did not come up has no kernel state to judge");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_attached_before_a_failure_is_deleted_in_reverse() {
    let scripts = Scripts::new().with("refuses", r#"echo '{"code": 42, "msg": "no", "details": "today"}'; exit 1"#);
    let cx = context(scripts.options());
    let lane = open(&cx).await;
    let good = chain("good", &[macvlan("192.168.100.10/24")]);
    let bad = chain("bad", &[json!({"type": "refuses"})]);
    let never = chain("never", &[macvlan("192.168.200.10/24")]);
    let plan = plan(&[("good", good), ("bad", bad), ("never", never)]);
    let observation = observed(lane.as_ref(), &cx, &plan).await.unwrap();
    let pod = pod(&observation);
    assert!(not_ready(pod).contains("exit 1, CNI code 42: no; today"), "{}", not_ready(pod));
    let runs: Vec<(&str, CniCommand)> =
        pod.outcomes.iter().map(|(network, outcome)| (network.as_str(), outcome.calls[0].command)).collect();
    let wanted = [
        ("cni-loopback", CniCommand::Add),
        ("plumbline-default", CniCommand::Add),
        ("chain-example/good", CniCommand::Add),
        ("chain-example/bad", CniCommand::Add),
        ("chain-example/bad", CniCommand::Del),
        ("chain-example/good", CniCommand::Del),
        ("plumbline-default", CniCommand::Del),
        ("cni-loopback", CniCommand::Del),
    ];
    assert_eq!(runs, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_said_to_exist_and_not_there_is_told_in_multus_words() {
    let cx = context(Options::default());
    let lane = open(&cx).await;
    let mut plan = plan(&[("ghost", json!({}))]);
    plan.networks[0].manifest = None;
    plan.networks[0].config = None;
    let observation = observed(lane.as_ref(), &cx, &plan).await.unwrap();
    let words = "cannot find a network-attachment-definition (ghost) in namespace (chain-example)";
    assert!(not_ready(pod(&observation)).contains(words));
    assert_eq!(pod(&observation).log[0].reason, "NoNetworkFound");
    assert!(pod(&observation).outcomes.is_empty(), "Multus attaches nothing when it can't find one");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_on_standard_error_of_a_plugin_that_succeeds_is_heard() {
    let body = r#"sed -e 's/.*"prevResult"/{"prevResult"/' >/dev/null; echo "route refused" >&2; echo '{"cniVersion": "1.0.0"}'"#;
    let scripts = Scripts::new().with("mumbles", body);
    let cx = context(scripts.options());
    let lane = open(&cx).await;
    let mumbling = chain("mumbling", &[json!({"type": "mumbles"})]);
    let observation = observed(lane.as_ref(), &cx, &plan(&[("mumbling", mumbling)])).await.unwrap();
    let heard = &pod(&observation).log[0];
    assert_eq!((heard.origin.as_str(), heard.text.as_str()), ("plugin stderr", "mumbles: route refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_hangs_is_ended_at_its_deadline() {
    let scripts = Scripts::new().with("hangs", "[ $CNI_COMMAND = ADD ] && exec tail -f /dev/null; exit 0");
    let options = Options { plugin_deadline: Some(Duration::from_millis(300)), ..scripts.options() };
    let cx = context(options);
    let lane = open(&cx).await;
    let hanging = chain("hanging", &[json!({"type": "hangs"})]);
    let observation = observed(lane.as_ref(), &cx, &plan(&[("hanging", hanging)])).await.unwrap();
    let call = &pod(&observation).outcomes[2].1.calls[0];
    assert_eq!(call.exit, Exit::Deadline(300));
    assert!(not_ready(pod(&observation)).contains("deadline of 300 ms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_goes_while_it_is_looked_at_is_the_beds_fault() {
    let scripts = Scripts::new()
        .with("saws", r#"[ $CNI_COMMAND = ADD ] && umount -l "$CNI_NETNS"; echo '{"cniVersion": "1.0.0"}'"#);
    let cx = context(scripts.options());
    let lane = open(&cx).await;
    let sawing = chain("sawing", &[json!({"type": "saws"})]);
    let mut scene = lane.stage(&cx, &plan(&[("sawing", sawing)])).await.unwrap();
    let error = scene.observe(&cx).await.unwrap_err();
    assert_eq!(error.stage, "observe");
    assert!(error.cause().contains("namespace of pod chain-test-pod"), "{error}");
    let _ = scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_that_can_not_start_are_refused_by_name_before_anything_runs() {
    let mut foreign = std::fs::read("/proc/self/exe").unwrap();
    // The architecture's number in the ELF header (`e_machine`): one that nobody has.
    foreign[18] = 0xff;
    let scripts = Scripts::new()
        .with_file("foreign", &foreign, 0o755)
        .with_file("forbidden", b"#!/bin/sh\n", 0o644)
        .with_file("loaderless", b"#!/no/such/interpreter\n", 0o755);
    let cx = context(scripts.options());
    let Err(error) = NetnsLane.open(&cx).await else { panic!("the lane opened") };
    for part in [
        "foreign does not start",
        "another architecture",
        "forbidden does not start",
        "not executable",
        "loaderless does not start",
        "interpreter or dynamic loader",
    ] {
        assert!(error.cause().contains(part), "{part:?} in {error}");
    }
}
