//! Texts of the judge's findings, also for pods that did not become Ready.

mod common;

use common::observed::{call, seed, stopped};
use common::seed_edits::{codes, eth, kernel, plan, pod};
use plumbline_core::cni::{CniCommand, PluginCall};
use plumbline_core::finding::FindingCode;
use plumbline_core::judge::{judge, verdict};
use plumbline_core::observe::{LogLine, Observation, PodState};
use plumbline_core::verdict::Verdict;

#[test]
fn a_wrong_prefix_is_reported_with_the_expected_one_and_its_line() {
    let mut observation = seed();
    eth(&mut observation, "eth1").addresses[0].address = "192.168.100.10/25".parse().unwrap();
    pod(&mut observation).reported.clear();
    let judgement = judge(&plan(), &observation);
    let finding = judgement.findings.iter().find(|finding| finding.code == FindingCode::PL302).unwrap();
    assert_eq!(finding.expected.as_deref(), Some("192.168.100.10/24 dev eth1"));
    assert_eq!(finding.found.as_deref(), Some("192.168.100.10/25 dev eth1"));
    let text = std::fs::read_to_string(&finding.source.as_ref().unwrap().file).unwrap();
    assert!(text.lines().nth(finding.source.as_ref().unwrap().line - 1).unwrap().contains("192.168.100.10/24"));
}

#[test]
fn an_off_link_gateway_is_one_finding_with_the_plugins_line() {
    let mut observation = seed();
    kernel(&mut observation).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
    pod(&mut observation).outcomes[0].1.calls[1].stderr = "error: failed to add route: network is unreachable\n".into();
    let text = "route-override: error: failed to add route: network is unreachable".to_owned();
    pod(&mut observation).log.push(LogLine { origin: "plugin stderr".into(), reason: String::new(), text });
    let judgement = judge(&plan(), &observation);
    assert_eq!(codes(&judgement.findings), ["PL202 eth1"], "the stderr line is a note, no second finding");
    assert_eq!(judgement.findings[0].notes.len(), 1, "reported once: {:?}", judgement.findings[0].notes);
    pod(&mut observation).log.clear();
    let finding = &judgement.findings[0];
    assert!(
        finding.notes[0].contains("network is unreachable") && finding.notes[0].contains("route-override"),
        "{:?}",
        finding.notes
    );
    assert!(finding.source.as_ref().unwrap().file.ends_with("chain-example.yaml"));

    // Without a readable CNI result the judge uses the runtime log.
    pod(&mut observation).reported.clear();
    pod(&mut observation).outcomes.clear();
    let text = "failed to add route: {Dst: 10.0.0.0/8}: network is unreachable".to_owned();
    pod(&mut observation).log.push(LogLine { origin: "runtime log".into(), reason: String::new(), text });
    let judgement = judge(&plan(), &observation);
    assert_eq!(codes(&judgement.findings), ["PL320 eth1"]);
    assert!(
        judgement.findings[0].notes[0].starts_with("runtime log: failed to add route"),
        "{:?}",
        judgement.findings[0].notes
    );
    // A short line of the plugin is used too.
    let observed = pod(&mut observation);
    observed.log =
        vec![LogLine { origin: "plugin stderr".into(), reason: String::new(), text: "network is unreachable".into() }];
    let judgement = judge(&plan(), &observation);
    assert_eq!(judgement.findings[0].notes, ["plugin stderr: network is unreachable"]);
}

#[test]
fn a_missing_binary_is_reported_with_plugin_and_search_path() {
    let mut observation = seed();
    let observed = pod(&mut observation);
    observed.state = PodState::NotReady { reason: "network sip-net could not be added".into() };
    observed.kernel = None;
    observed.outcomes[1] =
        stopped("sip-net", 1, "route-override", "failed to find plugin \"route-override\" in path [/opt/cni/bin]");
    // A DEL after the failure may fail too; that is not the cause.
    let (name, mut undone) = stopped("management-net", 1, "route-override", "failed to find plugin");
    undone.calls.push(PluginCall { command: CniCommand::Del, ..call("management-net", 0, "macvlan", "eth1") });
    observed.outcomes.push((name, undone));
    let judgement = judge(&plan(), &observation);
    assert_eq!(codes(&judgement.findings), ["PL101 eth2"]);
    let finding = &judgement.findings[0];
    assert!(finding.notes.iter().any(|note| note.starts_with("undoing management-net")), "{:?}", finding.notes);
    // The lane's own words are the runner's: the cause is quoted once.
    let begin = |command| format!("plugin 2 of 2 (route-override) of network sip-net failed at {command}");
    let cause = "its binary was not found in /opt/cni/bin";
    let mut repeated = observation.clone();
    let observed = pod(&mut repeated);
    observed.state = PodState::NotReady { reason: format!("pod not added: {}: {cause}", begin("add")) };
    observed.outcomes[1] = stopped("sip-net", 1, "route-override", &format!("{}: {cause}", begin("add")));
    let undone = observed.outcomes.last_mut().and_then(|(_, outcome)| outcome.error.as_mut()).unwrap();
    undone.message = format!("{}: {cause}", begin("del"));
    let notes = &judge(&plan(), &repeated).findings[0].notes;
    assert_eq!(notes.iter().filter(|note| note.contains(cause)).count(), 1, "{notes:?}");

    assert_eq!(finding.message, "plugin 2 of 2 (route-override) of network sip-net failed");
    assert!(finding.notes.iter().any(|note| note.contains("[/opt/cni/bin]")), "{:?}", finding.notes);
    assert!(matches!(verdict(&plan(), &observation, false), Verdict::Fail { .. }));
}

#[test]
fn on_a_cluster_the_innermost_plugin_is_read_from_the_event() {
    let mut observation = seed();
    let observed = pod(&mut observation);
    observed.state = PodState::NotReady { reason: "waited 120 s for Ready".into() };
    observed.kernel = None;
    observed.outcomes.clear();
    let text = "failed to setup network for sandbox \"x\": plugin type=\"multus\" name=\"multus-cni-network\" failed (add): \
        [ns/chain-test-pod/uid:sip-net]: error adding container to network \"sip-net\": plugin type=\"macvlan\" failed (add): Link not found";
    observed.log = vec![LogLine { origin: "event".into(), reason: "FailedCreatePodSandBox".into(), text: text.into() }];
    let judgement = judge(&plan(), &observation);
    assert_eq!(judgement.findings[0].message, "plugin macvlan of network sip-net failed");
    assert_eq!(codes(&judgement.findings), ["PL101 eth2"]);
    pod(&mut observation).log.clear();
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL104 -"]);
}

#[test]
fn a_missing_observation_is_an_error_and_never_a_pass() {
    let mut observation = seed();
    pod(&mut observation).kernel = None;
    assert!(matches!(verdict(&plan(), &observation, false), Verdict::Error { .. }));
    assert!(matches!(verdict(&plan(), &Observation::default(), false), Verdict::Error { .. }));
    let mut bare = plan();
    bare.expect.clear();
    bare.pods[0].attachments.clear();
    let mut observation = seed();
    pod(&mut observation).reported.clear();
    let Verdict::Error { cause, .. } = verdict(&bare, &observation, false) else { panic!("nothing was checked") };
    assert!(cause.contains("PL901"), "{cause}");
}

#[test]
fn an_unreadable_parent_link_is_neither_pass_nor_fail() {
    let plan = plan();
    let full = judge(&plan, &seed()).checked;
    let mut observation = seed();
    pod(&mut observation).node_links = None;
    let judgement = judge(&plan, &observation);
    assert_eq!(codes(&judgement.findings), Vec::<String>::new());
    assert_eq!(judgement.checked, full - 2);
    assert_eq!(judgement.notes.len(), 2, "{:?}", judgement.notes);
}

#[test]
fn a_scenario_without_expectations_is_still_checked() {
    let mut bare = plan();
    bare.expect.clear();
    let mut observation = seed();
    assert!(
        matches!(verdict(&bare, &observation, false), Verdict::Pass { checked: 10, .. }),
        "{:?}",
        verdict(&bare, &observation, false)
    );
    kernel(&mut observation).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
    assert!(matches!(verdict(&bare, &observation, false), Verdict::Fail { .. }));
}

#[test]
fn network_status_counts_as_a_report() {
    let mut observation = seed();
    for reported in &mut pod(&mut observation).reported {
        let ip = reported.result.take().unwrap()["ips"][0]["address"]
            .as_str()
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        reported.status =
            Some(serde_json::json!({"name": "ns/x", "interface": reported.interface, "ips": [ip], "dns": {}}));
    }
    assert_eq!(codes(&judge(&plan(), &observation).findings), Vec::<String>::new());
    pod(&mut observation).reported[0].status.as_mut().unwrap()["ips"][0] = "192.168.100.99".into();
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL201 eth1"]);
}

#[test]
fn stderr_of_recorded_calls_is_reported() {
    let mut observation = seed();
    let mut one = call("management-net", 1, "route-override", "eth1");
    one.stderr = "odd".into();
    pod(&mut observation).calls.push(one);
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL105 eth1"]);
}

#[test]
fn a_missing_existing_network_is_reported_with_the_multus_event() {
    let mut plan = plan();
    let network = &mut plan.networks[1];
    (network.manifest, network.config, network.chain) = (None, None, None);
    let mut observation = seed();
    let observed = pod(&mut observation);
    observed.state = PodState::NotReady { reason: "waited 120 s".into() };
    observed.kernel = None;
    observed.outcomes.clear();
    let text = "cannot find a network-attachment-definition (sip-net) in namespace (chain-example): not found";
    observed.log = vec![LogLine { origin: "event".into(), reason: "NoNetworkFound".into(), text: text.into() }];
    let judgement = judge(&plan, &observation);
    assert_eq!(codes(&judgement.findings), ["PL103 eth2"]);
    assert!(judgement.findings[0].notes.iter().any(|note| note.starts_with("event NoNetworkFound: cannot find")));
}
