//! Failures: plugins that fail, missing networks and plugins, pods that are removed too early.

use crate::testbed::{Scripts, chain, context, macvlan, observe_once, open, plan, pod};
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
        PodState::Running => panic!("the pod is Running"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_binary_is_reported_with_its_position_and_the_search_path() {
    let cx = context(Options::default());
    let lane = open(&cx).await;
    let error = chain("half", &[macvlan("192.168.100.10/24"), json!({"type": "no-such-plugin"})]);
    let observation = observe_once(lane.as_ref(), &cx, &plan(&[("half", error)])).await.unwrap();
    let reason = not_ready(pod(&observation));
    for part in ["plugin 2 of 2", "no-such-plugin", "not found in /opt/cni/bin, filled from /", "half as eth1"] {
        assert!(reason.contains(part), "{part:?} in {reason:?}");
    }
    assert!(pod(&observation).kernel.is_none(), "a pod that is not Ready has no kernel state");
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_before_a_failure_are_deleted_in_reverse_order() {
    let scripts = Scripts::new().with("refuses", r#"echo '{"code": 42, "msg": "no", "details": "today"}'; exit 1"#);
    let cx = context(scripts.options());
    let lane = open(&cx).await;
    let good = chain("good", &[macvlan("192.168.100.10/24")]);
    let bad = chain("bad", &[json!({"type": "refuses"})]);
    let never = chain("never", &[macvlan("192.168.200.10/24")]);
    let plan = plan(&[("good", good), ("bad", bad), ("never", never)]);
    let observation = observe_once(lane.as_ref(), &cx, &plan).await.unwrap();
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
async fn a_missing_existing_network_has_the_message_of_multus() {
    let cx = context(Options::default());
    let lane = open(&cx).await;
    let mut plan = plan(&[("ghost", json!({}))]);
    plan.networks[0].manifest = None;
    plan.networks[0].config = None;
    let observation = observe_once(lane.as_ref(), &cx, &plan).await.unwrap();
    let words = "cannot find a network-attachment-definition (ghost) in namespace (chain-example)";
    assert!(not_ready(pod(&observation)).contains(words));
    assert_eq!(pod(&observation).log[0].reason, "NoNetworkFound");
    assert!(pod(&observation).outcomes.is_empty(), "Multus attaches nothing when it can't find one");
}

#[tokio::test(flavor = "multi_thread")]
async fn stderr_of_a_plugin_that_succeeds_is_in_the_log() {
    let body = r#"sed -e 's/.*"prevResult"/{"prevResult"/' >/dev/null; echo "route refused" >&2; echo '{"cniVersion": "1.0.0"}'"#;
    let scripts = Scripts::new().with("warns", body);
    let cx = context(scripts.options());
    let lane = open(&cx).await;
    let warning = chain("warning", &[json!({"type": "warns"})]);
    let observation = observe_once(lane.as_ref(), &cx, &plan(&[("warning", warning)])).await.unwrap();
    let line = &pod(&observation).log[0];
    assert_eq!((line.origin.as_str(), line.text.as_str()), ("plugin stderr", "warns: route refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_hangs_is_ended_at_its_deadline() {
    let scripts = Scripts::new().with("hangs", "[ $CNI_COMMAND = ADD ] && exec tail -f /dev/null; exit 0");
    // Long enough for the plugins of the default network on a busy host: the deadline is theirs too.
    let options = Options { plugin_deadline: Some(Duration::from_secs(4)), ..scripts.options() };
    let cx = context(options);
    let lane = open(&cx).await;
    let hanging = chain("hanging", &[json!({"type": "hangs"})]);
    let observation = observe_once(lane.as_ref(), &cx, &plan(&[("hanging", hanging)])).await.unwrap();
    let call = &pod(&observation).outcomes[2].1.calls[0];
    assert_eq!(call.exit, Exit::Deadline(4000));
    assert!(not_ready(pod(&observation)).contains("deadline of 4000 ms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_removed_during_observation_is_an_error() {
    let scripts = Scripts::new()
        .with("detaches", r#"[ $CNI_COMMAND = ADD ] && umount -l "$CNI_NETNS"; echo '{"cniVersion": "1.0.0"}'"#);
    let cx = context(scripts.options());
    let lane = open(&cx).await;
    let detaching = chain("detaching", &[json!({"type": "detaches"})]);
    let mut staged = lane.stage(&cx, &plan(&[("detaching", detaching)])).await.unwrap();
    let error = staged.observe(&cx).await.unwrap_err();
    assert_eq!(error.stage, "observe");
    assert!(error.cause().contains("namespace of pod chain-test-pod"), "{error}");
    let _ = staged.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_that_cannot_start_are_refused_by_name_before_any_chain_runs() {
    let mut foreign = std::fs::read("/proc/self/exe").unwrap();
    // The architecture's number in the ELF header (`e_machine`): an unassigned one.
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
