//! Chains: the order of the plugins, their configurations, and what is cached.

use crate::agent::{Agent, LONG, Plugins, chain, request};
use plumbline_core::cni::CniCommand;
use plumbline_core::protocol::{Op, Outcome};
use serde_json::{Value, json};

/// A plugin whose result has one interface, named after the plugin.
fn naming_plugin(name: &str) -> (String, String) {
    let body = format!(
        r#"cat >/dev/null; [ $CNI_COMMAND = ADD ] && echo '{{"cniVersion": "1.0.0", "interfaces": [{{"name": "{name}"}}]}}'; exit 0"#
    );
    (name.to_owned(), body)
}

fn two_plugins() -> Plugins {
    let ((a, first), (b, second)) = (naming_plugin("first"), naming_plugin("second"));
    Plugins::new().with(&a, &first).with(&b, &second)
}

fn config(version: &str) -> Value {
    chain(version, &[json!({"type": "first", "Odd": 1}), json!({"type": "second", "capabilities": {"mac": true}})])
}

#[test]
fn add_runs_forward_and_passes_each_result_on() {
    let plugins = two_plugins();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let mut add = request(CniCommand::Add, &config("1.0.0"), LONG);
    add.capability_args.insert("mac".to_owned(), json!("02:00:00:00:00:01"));
    add.args_cni = Some(json!({"k": "v"}));
    let Outcome::Chain(outcome) = agent.request(Op::Cni(add)) else { panic!("no chain") };
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.result, Some(json!({"cniVersion": "1.0.0", "interfaces": [{"name": "second"}]})));
    let [first, second] = outcome.calls.as_slice() else { panic!("two calls") };
    assert_eq!((first.position, first.plugin.as_str(), second.plugin.as_str()), (0, "first", "second"));
    assert_eq!(first.stdin.get("prevResult"), None);
    assert_eq!(
        (&first.stdin["Odd"], &first.stdin["name"], &first.stdin["cniVersion"]),
        (&json!(1), &json!("net"), &json!("1.0.0"))
    );
    assert_eq!(first.stdin.get("runtimeConfig"), None, "it declares no capability");
    assert_eq!(second.stdin["prevResult"]["interfaces"][0]["name"], "first");
    assert_eq!(second.stdin["runtimeConfig"], json!({"mac": "02:00:00:00:00:01"}));
    assert_eq!(second.stdin["args"]["cni"], json!({"k": "v"}));
    let env = |name: &str| first.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(env("CNI_COMMAND"), Some("ADD"));
    assert_eq!(env("CNI_NETNS"), Some("/run/netns/p"));
    assert_eq!(env("CNI_ARGS"), Some("K8S_POD_NAME=p"));
    assert_eq!(env("CNI_PATH"), Some("/opt/cni/bin"));
    assert_eq!(first.argv, ["/opt/cni/bin/first"]);
}

#[test]
fn check_runs_forward_and_del_backward_with_the_cached_result() {
    let plugins = two_plugins();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let added = agent.chain(CniCommand::Add, &config("1.0.0"), LONG).result;
    let Outcome::File { text: Some(text), .. } =
        agent.request(Op::Read { path: "/var/lib/cni/results/net-c1-eth1".to_owned() })
    else {
        panic!("nothing cached")
    };
    let cached: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(cached["kind"], "cniCacheV1");
    assert_eq!(
        (&cached["containerId"], &cached["ifName"], &cached["networkName"]),
        (&json!("c1"), &json!("eth1"), &json!("net"))
    );
    assert_eq!(cached["cniArgs"], json!([["K8S_POD_NAME", "p"]]));
    assert_eq!(Some(&cached["result"]), added.as_ref());

    let checked = agent.chain(CniCommand::Check, &config("1.0.0"), LONG);
    let plugins_of = |outcome: &plumbline_core::cni::ChainOutcome| -> Vec<String> {
        assert_eq!(outcome.error, None);
        assert!(outcome.calls.iter().all(|call| call.stdin.get("prevResult") == added.as_ref()));
        outcome.calls.iter().map(|call| call.plugin.clone()).collect()
    };
    assert_eq!(plugins_of(&checked), ["first", "second"]);
    let deleted = agent.chain(CniCommand::Del, &config("1.0.0"), LONG);
    assert_eq!(plugins_of(&deleted), ["second", "first"]);
    let Outcome::File { names: Some(names), .. } = agent.request(Op::Read { path: "/var/lib/cni/results".to_owned() })
    else {
        panic!("no folder")
    };
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn a_second_del_succeeds_without_a_cached_result() {
    let plugins = two_plugins();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    for _ in 0..2 {
        let deleted = agent.chain(CniCommand::Del, &config("1.0.0"), LONG);
        assert_eq!(deleted.error, None);
        assert!(deleted.calls.iter().all(|call| call.stdin.get("prevResult").is_none()));
    }
}

#[test]
fn check_is_refused_before_0_4_0_and_skipped_with_disable_check() {
    let plugins = two_plugins();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    assert_eq!(agent.chain(CniCommand::Add, &config("0.3.1"), LONG).error, None);
    let refused = agent.chain(CniCommand::Check, &config("0.3.1"), LONG);
    assert!(refused.error.unwrap().message.contains("expected 0.4.0 or newer for CHECK"));
    let deleted = agent.chain(CniCommand::Del, &config("0.3.1"), LONG);
    assert!(deleted.calls.iter().all(|call| call.stdin.get("prevResult").is_none()));

    let mut off = config("1.0.0");
    off["disableCheck"] = json!(true);
    let skipped = agent.chain(CniCommand::Check, &off, LONG);
    assert!(skipped.error.is_none() && skipped.calls.is_empty());
}

#[test]
fn a_failed_add_stops_the_chain_and_caches_nothing() {
    let plugins = two_plugins().with("fails", "exit 3");
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let config = chain("1.0.0", &[json!({"type": "first"}), json!({"type": "fails"}), json!({"type": "second"})]);
    let outcome = agent.chain(CniCommand::Add, &config, LONG);
    assert_eq!(outcome.calls.len(), 2);
    assert_eq!(outcome.error.unwrap().position, Some(1));
    let Outcome::File { names: Some(names), .. } = agent.request(Op::Read { path: "/var/lib/cni/results".to_owned() })
    else {
        panic!("no folder")
    };
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn names_that_libcni_refuses_are_refused_before_any_plugin_runs() {
    let plugins = two_plugins();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    for (change, word) in [("ifname", "interface name"), ("container", "container id"), ("network", "network name")] {
        let mut add = request(CniCommand::Add, &config("1.0.0"), LONG);
        match change {
            "ifname" => add.ifname = "sixteen-letters-".to_owned(),
            "container" => add.container_id = "/x".to_owned(),
            _ => add.config = add.config.replace("\"net\"", "\"a b\""),
        }
        let Outcome::Chain(outcome) = agent.request(Op::Cni(add)) else { panic!("no chain") };
        assert!(outcome.calls.is_empty());
        let message = outcome.error.unwrap().message;
        assert!(message.contains(word), "{message}");
    }
}
