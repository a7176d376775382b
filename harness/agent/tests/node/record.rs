//! `record`: in a plugin's place.

use crate::talk::{AGENT, Agent, Plugins, chain, children, command, is_gone, request, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumbline_core::cni::{ChainOutcome, CniCommand, Exit};
use plumbline_core::protocol::{Op, Outcome};
use plumbline_core::record::{Act, Deed, Recorded, Recorder};
use serde_json::json;
use std::time::Duration;

/// Where the node's log is; `/tmp` is the node's own.
const LOG: &str = "/tmp/calls.jsonl";

/// The real plugin's body: it leaves a trace, prints on both streams and knows VERSION.
const REAL: &str = r#"cat >/dev/null
[ "$CNI_COMMAND" = VERSION ] && { echo '{"supportedVersions": ["1.0.0"]}'; exit 0; }
echo "$0 $CNI_COMMAND $CNI_IFNAME" >> /tmp/trace
echo "a word" >&2
echo '{"cniVersion": "1.0.0", "dns": {}}'"#;

/// Plugin `it`, recorded, with these faults.
fn recorded(real: &str, acts: Vec<Act>) -> (Agent, Plugins) {
    let plugins = Plugins::new().with("it.real", real);
    let recorder = Recorder { plugin: Some("it.real".into()), log: LOG.into(), acts };
    std::fs::write(plugins.file("it.record.json"), serde_json::to_string(&recorder).unwrap()).unwrap();
    // By another process: a file that this one has open for writing may be inherited by a child of another test.
    assert!(command("cp").args([AGENT, plugins.file("it").to_str().unwrap()]).status().unwrap().success());
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    (agent, plugins)
}

fn faulty(what: Deed) -> Vec<Act> {
    vec![Act { commands: vec!["ADD".into()], ifname: None, after: false, what }]
}

fn add(agent: &mut Agent) -> ChainOutcome {
    agent.chain(CniCommand::Add, &chain("1.0.0", &[json!({"type": "it", "key": "value"})]), Duration::from_secs(10))
}

fn log(agent: &mut Agent) -> Vec<Recorded> {
    let Outcome::File { text: Some(text), .. } = agent.ask(Op::Read { path: LOG.into() }) else { return Vec::new() };
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn message(outcome: &ChainOutcome) -> String {
    outcome.error.clone().expect("an error").message
}

fn silent(code: u8, stderr: &str) -> Deed {
    Deed::Exit { code, stdout: String::new(), stderr: stderr.into() }
}

#[test]
fn a_call_passes_through_as_it_is_and_is_noted() {
    let (mut agent, _plugins) = recorded(REAL, Vec::new());
    let outcome = add(&mut agent);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.result, Some(json!({"cniVersion": "1.0.0", "dns": {}})));
    assert_eq!((outcome.calls[0].stderr.as_str(), &outcome.calls[0].exit), ("a word\n", &Exit::Code(0)));
    let log = log(&mut agent);
    let [call] = log.as_slice() else { panic!("{log:?}") };
    let stdin: serde_json::Value = serde_json::from_str(&call.stdin).unwrap();
    assert_eq!((&stdin["key"], &stdin["name"]), (&json!("value"), &json!("net")));
    assert_eq!(call.argv, ["/opt/cni/bin/it"]);
    assert_eq!((call.env["CNI_COMMAND"].as_str(), call.env["CNI_IFNAME"].as_str()), ("ADD", "eth1"));
    assert_eq!((call.stderr.as_str(), &call.exit, &call.acted), ("a word\n", &Some(Exit::Code(0)), &None));
    assert!(call.stdout.contains("dns") && call.duration_us > 0 && call.at_us > 1_600_000_000_000_000);
}

#[test]
fn a_panic_is_acted_as_upstreams() {
    let (mut agent, _plugins) = recorded(REAL, faulty(silent(2, "panic: assignment to entry in nil map\n")));
    let outcome = add(&mut agent);
    assert!(message(&outcome).contains("exit 2, nothing on standard output"), "{}", message(&outcome));
    assert!(message(&outcome).contains("nil map"));
    let log = log(&mut agent);
    assert_eq!((&log[0].exit, log[0].stderr.as_str()), (&None, "panic: assignment to entry in nil map\n"));
    assert!(log[0].acted.is_some());
    assert_eq!(agent.run(&["cat", "/tmp/trace"]).0, Some(1), "the real one did not run");
}

#[test]
fn silence_with_exit_0_can_come_after_the_work() {
    let mut acts = faulty(silent(0, ""));
    acts[0].after = true;
    let (mut agent, _plugins) = recorded(REAL, acts);
    let outcome = add(&mut agent);
    assert!(message(&outcome).contains("exit 0 without a result"), "{}", message(&outcome));
    assert_eq!(agent.run(&["cat", "/tmp/trace"]).1, "/opt/cni/bin/it.real ADD eth1\n");
    let log = log(&mut agent);
    assert!(log[0].stdout.contains("dns") && log[0].exit == Some(Exit::Code(0)), "{log:?}");
}

#[test]
fn a_signal_and_a_hang_are_acted() {
    let (mut agent, _plugins) = recorded(REAL, faulty(Deed::Signal(11)));
    assert!(message(&add(&mut agent)).contains("ended by signal 11"));
    let (mut agent, _plugins) = recorded(REAL, faulty(Deed::Hang));
    let config = chain("1.0.0", &[json!({"type": "it"})]);
    let outcome = agent.chain(CniCommand::Add, &config, Duration::from_millis(200));
    assert_eq!(outcome.calls[0].exit, Exit::Deadline(200));
    assert_eq!(log(&mut agent)[0].acted, Some(Deed::Hang));
}

#[test]
fn how_the_real_one_ends_is_passed_on_and_it_goes_with_the_wrapper() {
    let (mut agent, _plugins) = recorded("kill -9 $$", Vec::new());
    assert!(message(&add(&mut agent)).contains("ended by signal 9"));
    assert_eq!(log(&mut agent)[0].exit, Some(Exit::Signal(9)));
    // A runtime kills the process that it started, and no other.
    let (mut agent, _plugins) = recorded("exec sleep 60", Vec::new());
    let config = chain("1.0.0", &[json!({"type": "it"})]);
    agent.send(Op::Cni(request(CniCommand::Add, &config, Duration::from_secs(60))));
    let mut found = None;
    until("the real plugin to hang", || {
        let wrapper = children(agent.child.id()).first().and_then(|init| children(*init).first().copied());
        found = wrapper.and_then(|wrapper| Some([wrapper, *children(wrapper).first()?]));
        found.is_some_and(|[_, real]| {
            std::fs::read_to_string(format!("/proc/{real}/comm")).is_ok_and(|name| name.trim() == "sleep")
        })
    });
    let [wrapper, real] = found.unwrap();
    kill(Pid::from_raw(wrapper.cast_signed()), Signal::SIGKILL).unwrap();
    until("the real plugin to go with the wrapper", || is_gone(real));
}

#[test]
fn it_is_taken_for_the_plugin_and_its_file_for_none() {
    let (mut agent, _plugins) = recorded(REAL, vec![Act { commands: Vec::new(), ..faulty(Deed::Signal(6)).remove(0) }]);
    let Outcome::Versions(versions) = agent.ask(Op::CniVersions { plugins: Vec::new() }) else { panic!("no versions") };
    let names: Vec<&str> = versions.iter().map(|one| one.plugin.as_str()).collect();
    assert_eq!(names, ["it", "it.real"]);
    assert_eq!(versions[0].supported, ["1.0.0"]);
}

#[test]
fn a_recorder_that_can_not_be_read_is_no_plugin_that_works() {
    let (_, plugins) = recorded(REAL, Vec::new());
    std::fs::write(plugins.file("it.record.json"), r#"{"log": "/tmp/x", "odd": 1}"#).unwrap();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let outcome = add(&mut agent);
    assert!(message(&outcome).contains("exit 5") && message(&outcome).contains("odd"), "{}", message(&outcome));
}

#[test]
fn a_single_plugin_brings_its_recorder_along() {
    let (_, plugins) = recorded(REAL, Vec::new());
    let recorder = Recorder { plugin: None, log: LOG.into(), acts: faulty(silent(3, "acted")) };
    std::fs::write(plugins.file("it.record.json"), serde_json::to_string(&recorder).unwrap()).unwrap();
    let single = format!("other={}", plugins.file("it").display());
    let mut agent = Agent::start(&[AGENT, "node", "--plugin", &single]);
    agent.pod("p");
    assert!(message(&agent.add("other")).contains("exit 3, nothing on standard output; standard error: \"acted\""));
}
