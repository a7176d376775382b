//! Mode `record` instead of a plugin.

use crate::agent::{AGENT, Agent, LONG, Plugins, chain, children, command, is_gone, request, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumbline_core::cni::{ChainOutcome, CniCommand, Exit};
use plumbline_core::protocol::{Op, Outcome};
use plumbline_core::record::{FaultRule, InjectedFault, RecordedCall, Recorder};
use serde_json::json;
use std::time::Duration;

/// The log on the node; `/tmp` is the node's own.
const LOG: &str = "/tmp/calls.jsonl";

/// The real plugin: writes a trace, prints on both streams and answers VERSION.
const REAL: &str = r#"cat >/dev/null
[ "$CNI_COMMAND" = VERSION ] && { echo '{"supportedVersions": ["1.0.0"]}'; exit 0; }
echo "$0 $CNI_COMMAND $CNI_IFNAME" >> /tmp/trace
echo "a word" >&2
echo '{"cniVersion": "1.0.0", "dns": {}}'"#;

/// Plugin `it`, recorded, with these faults.
fn node_with_recorder(real: &str, faults: Vec<FaultRule>) -> (Agent, Plugins) {
    let plugins = Plugins::new().with("it.real", real);
    let recorder = Recorder { plugin: Some("it.real".into()), log: LOG.into(), faults };
    std::fs::write(plugins.file("it.record.json"), serde_json::to_string(&recorder).unwrap()).unwrap();
    // By another process: a file that this one has open for writing may be inherited by a child of another test.
    assert!(command("cp").args([AGENT, plugins.file("it").to_str().unwrap()]).status().unwrap().success());
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    (agent, plugins)
}

fn fault_at_add(fault: InjectedFault) -> Vec<FaultRule> {
    vec![FaultRule { commands: vec!["ADD".into()], ifname: None, after: false, fault }]
}

fn add(agent: &mut Agent) -> ChainOutcome {
    agent.chain(CniCommand::Add, &chain("1.0.0", &[json!({"type": "it", "key": "value"})]), LONG)
}

fn read_log(agent: &mut Agent) -> Vec<RecordedCall> {
    let Outcome::File { text: Some(text), .. } = agent.request(Op::Read { path: LOG.into() }) else {
        return Vec::new();
    };
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn message(outcome: &ChainOutcome) -> String {
    outcome.error.clone().expect("an error").message
}

fn silent_exit(code: u8, stderr: &str) -> InjectedFault {
    InjectedFault::Exit { code, stdout: String::new(), stderr: stderr.into() }
}

#[test]
fn a_call_passes_through_unchanged_and_is_recorded() {
    let (mut agent, _plugins) = node_with_recorder(REAL, Vec::new());
    let outcome = add(&mut agent);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.result, Some(json!({"cniVersion": "1.0.0", "dns": {}})));
    assert_eq!((outcome.calls[0].stderr.as_str(), &outcome.calls[0].exit), ("a word\n", &Exit::Code(0)));
    let log = read_log(&mut agent);
    let [call] = log.as_slice() else { panic!("{log:?}") };
    let stdin: serde_json::Value = serde_json::from_str(&call.stdin).unwrap();
    assert_eq!((&stdin["key"], &stdin["name"]), (&json!("value"), &json!("net")));
    assert_eq!(call.argv, ["/opt/cni/bin/it"]);
    assert_eq!((call.env["CNI_COMMAND"].as_str(), call.env["CNI_IFNAME"].as_str()), ("ADD", "eth1"));
    assert_eq!((call.stderr.as_str(), &call.exit, &call.injected), ("a word\n", &Some(Exit::Code(0)), &None));
    assert!(call.stdout.contains("dns") && call.duration_us > 0 && call.at_us > 1_600_000_000_000_000);
}

#[test]
fn a_panic_of_a_plugin_can_be_injected() {
    let (mut agent, _plugins) =
        node_with_recorder(REAL, fault_at_add(silent_exit(2, "panic: assignment to entry in nil map\n")));
    let outcome = add(&mut agent);
    assert!(message(&outcome).contains("exit 2, nothing on standard output"), "{}", message(&outcome));
    assert!(message(&outcome).contains("nil map"));
    let log = read_log(&mut agent);
    assert_eq!((&log[0].exit, log[0].stderr.as_str()), (&None, "panic: assignment to entry in nil map\n"));
    assert!(log[0].injected.is_some());
    assert_eq!(agent.run(&["cat", "/tmp/trace"]).0, Some(1), "the real plugin did not run");
}

#[test]
fn a_fault_can_follow_the_real_call() {
    let mut faults = fault_at_add(silent_exit(0, ""));
    faults[0].after = true;
    let (mut agent, _plugins) = node_with_recorder(REAL, faults);
    let outcome = add(&mut agent);
    assert!(message(&outcome).contains("exit 0 without a result"), "{}", message(&outcome));
    assert_eq!(agent.run(&["cat", "/tmp/trace"]).1, "/opt/cni/bin/it.real ADD eth1\n");
    let log = read_log(&mut agent);
    assert!(log[0].stdout.contains("dns") && log[0].exit == Some(Exit::Code(0)), "{log:?}");
}

#[test]
fn a_signal_and_a_hang_can_be_injected() {
    let (mut agent, _plugins) = node_with_recorder(REAL, fault_at_add(InjectedFault::Signal(11)));
    assert!(message(&add(&mut agent)).contains("ended by signal 11"));
    let (mut agent, _plugins) = node_with_recorder(REAL, fault_at_add(InjectedFault::Hang));
    let config = chain("1.0.0", &[json!({"type": "it"})]);
    // On a loaded machine, the recorder may be killed before it has written its record: it gets more time then.
    let calls = [200_u64, 2000, 20_000].into_iter().find_map(|deadline| {
        let outcome = agent.chain(CniCommand::Add, &config, Duration::from_millis(deadline));
        assert_eq!(outcome.calls[0].exit, Exit::Deadline(deadline));
        Some(read_log(&mut agent)).filter(|calls| !calls.is_empty())
    });
    assert_eq!(calls.expect("a record")[0].injected, Some(InjectedFault::Hang));
}

#[test]
fn the_real_plugins_end_is_passed_on_and_it_ends_with_the_recorder() {
    let (mut agent, _plugins) = node_with_recorder("kill -9 $$", Vec::new());
    assert!(message(&add(&mut agent)).contains("ended by signal 9"));
    assert_eq!(read_log(&mut agent)[0].exit, Some(Exit::Signal(9)));
    // A runtime kills the process that it started, and no other.
    let (mut agent, _plugins) = node_with_recorder("exec sleep 60", Vec::new());
    let config = chain("1.0.0", &[json!({"type": "it"})]);
    agent.send(Op::Cni(request(CniCommand::Add, &config, LONG)));
    let mut found = None;
    wait_until("the real plugin to hang", || {
        let recorder = children(agent.child.id()).first().and_then(|init| children(*init).first().copied());
        found = recorder.and_then(|recorder| Some([recorder, *children(recorder).first()?]));
        found.is_some_and(|[_, real]| {
            std::fs::read_to_string(format!("/proc/{real}/comm")).is_ok_and(|name| name.trim() == "sleep")
        })
    });
    let [recorder, real] = found.unwrap();
    kill(Pid::from_raw(recorder.cast_signed()), Signal::SIGKILL).unwrap();
    wait_until("the real plugin to go with the recorder", || is_gone(real));
}

#[test]
fn the_recorder_counts_as_the_plugin_and_its_file_does_not() {
    let (mut agent, _plugins) = node_with_recorder(
        REAL,
        vec![FaultRule { commands: Vec::new(), ..fault_at_add(InjectedFault::Signal(6)).remove(0) }],
    );
    let Outcome::Versions(versions) = agent.request(Op::CniVersions { plugins: Vec::new() }) else {
        panic!("no versions")
    };
    let names: Vec<&str> = versions.iter().map(|one| one.plugin.as_str()).collect();
    assert_eq!(names, ["it", "it.real"]);
    assert_eq!(versions[0].supported, ["1.0.0"]);
}

#[test]
fn a_wrong_recorder_file_fails_the_call() {
    let (_, plugins) = node_with_recorder(REAL, Vec::new());
    std::fs::write(plugins.file("it.record.json"), r#"{"log": "/tmp/x", "odd": 1}"#).unwrap();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let outcome = add(&mut agent);
    assert!(message(&outcome).contains("exit 5") && message(&outcome).contains("odd"), "{}", message(&outcome));
}

#[test]
fn a_single_plugin_has_its_recorder_file_too() {
    let (_, plugins) = node_with_recorder(REAL, Vec::new());
    let recorder = Recorder { plugin: None, log: LOG.into(), faults: fault_at_add(silent_exit(3, "injected")) };
    std::fs::write(plugins.file("it.record.json"), serde_json::to_string(&recorder).unwrap()).unwrap();
    let single = format!("other={}", plugins.file("it").display());
    let mut agent = Agent::start(&[AGENT, "node", "--plugin", &single]);
    agent.pod("p");
    assert!(message(&agent.add("other")).contains("exit 3, nothing on standard output; standard error: \"injected\""));
}
