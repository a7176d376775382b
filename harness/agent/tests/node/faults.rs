//! Plugins that fail in different ways.

use crate::agent::{Agent, LONG, Plugins, chain, request, wait_until};
use plumbline_core::cni::{ChainOutcome, CniCommand, Exit};
use plumbline_core::protocol::{Op, Outcome};
use serde_json::json;
use std::fs::OpenOptions;
use std::time::{Duration, Instant};

fn add_with_plugin(body: &str) -> (Agent, ChainOutcome) {
    let plugins = Plugins::new().with("bad", body);
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let outcome = agent.add("bad");
    (agent, outcome)
}

fn message(outcome: &ChainOutcome) -> &str {
    assert!(outcome.result.is_none());
    &outcome.error.as_ref().expect("an error").message
}

#[test]
fn a_cni_error_is_reported_with_its_code() {
    let (_agent, outcome) = add_with_plugin(r#"echo '{"code": 11, "msg": "try later", "details": "busy"}'; exit 1"#);
    assert_eq!(
        message(&outcome),
        "plugin 1 of 1 (bad) of network net failed at add: exit 1, CNI code 11: try later; busy"
    );
    assert_eq!(outcome.error.unwrap().cni.unwrap().code, 11);
}

#[test]
fn a_message_with_line_breaks_and_control_characters_becomes_one_printable_line() {
    let (_agent, outcome) = add_with_plugin(r#"printf '{"code": 7, "msg": "first\\nsecond \\u001b[31m"}'; exit 1"#);
    assert!(message(&outcome).ends_with("CNI code 7: first; second \\u{1b}[31m"), "{}", message(&outcome));
}

#[test]
fn a_panic_is_reported_with_exit_code_and_standard_error() {
    let (_agent, outcome) = add_with_plugin("echo 'panic: nil map' >&2; exit 2");
    assert!(message(&outcome).contains("exit 2, nothing on standard output"), "{}", message(&outcome));
    assert!(message(&outcome).contains("panic: nil map"));
    assert_eq!(outcome.calls[0].exit, Exit::Code(2));
}

#[test]
fn exit_0_without_a_result_object_is_an_error() {
    let (_agent, outcome) = add_with_plugin("echo all is well");
    assert!(message(&outcome).contains("exit 0, and no result on standard output but \"all is well\""));
    let (_agent, outcome) = add_with_plugin("exit 0");
    assert!(message(&outcome).contains("exit 0 without a result"));
}

#[test]
fn standard_error_with_exit_0_is_kept_and_is_no_error() {
    let (_agent, outcome) = add_with_plugin(r#"echo "route refused" >&2; echo '{"cniVersion": "1.0.0"}'"#);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.calls[0].stderr, "route refused\n");
}

#[test]
fn a_hanging_plugin_and_its_children_are_killed_at_the_deadline() {
    let plugins = Plugins::new().with("bad", "tail -f /dev/null & tail -f /dev/null");
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let config = chain("1.0.0", &[json!({"type": "bad"})]);
    let outcome = agent.chain(CniCommand::Add, &config, Duration::from_millis(200));
    assert_eq!(outcome.calls[0].exit, Exit::Deadline(200));
    assert!(message(&outcome).contains("deadline of 200 ms"));
    wait_until("the grandchildren to end and be reaped", || !agent.run(&["ps", "-e", "-o", "comm"]).1.contains("tail"));
}

#[test]
fn a_daemon_that_keeps_standard_output_open_does_not_block() {
    let start = Instant::now();
    let (_agent, outcome) = add_with_plugin(r#"tail -f /dev/null & echo '{"cniVersion": "1.0.0"}'"#);
    assert_eq!(outcome.error, None);
    assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    let own = Duration::from_micros(outcome.calls[0].duration_us);
    let waited = Duration::from_millis(100);
    assert!(own + waited <= start.elapsed(), "the wait for the pipe is not the plugin's time: {own:?}");
}

#[test]
fn too_much_standard_output_is_cut_and_the_plugin_killed() {
    let (_agent, outcome) = add_with_plugin("head -c 104857600 /dev/zero; echo done >&2");
    assert!(message(&outcome).contains("printed more than 4194304 bytes"), "{}", message(&outcome));
    assert_eq!(outcome.calls[0].stdout.len(), 4 * 1024 * 1024);
}

#[test]
fn a_plugin_may_read_a_large_configuration_late_or_never() {
    let plugins = Plugins::new()
        .with("late", r#"n=$(wc -c); echo "$n" >&2; echo '{"cniVersion": "1.0.0"}'"#)
        .with("never", r#"echo '{"cniVersion": "1.0.0"}'"#);
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let text = "x".repeat(1024 * 1024);
    for plugin in ["late", "never"] {
        let config = chain("1.0.0", &[json!({"type": plugin, "text": text})]);
        let outcome = agent.chain(CniCommand::Add, &config, LONG);
        assert_eq!(outcome.error, None);
        if plugin == "late" {
            assert!(outcome.calls[0].stderr.trim().parse::<usize>().unwrap() > text.len());
        }
    }
}

#[test]
fn a_plugin_whose_file_is_being_written_is_started_again() {
    let plugins = Plugins::new().with("busy", r#"echo '{"cniVersion": "1.0.0"}'"#);
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let writer = OpenOptions::new().append(true).open(plugins.file("busy")).unwrap();
    let start = Instant::now();
    agent.send(Op::Cni(request(CniCommand::Add, &chain("1.0.0", &[json!({"type": "busy"})]), LONG)));
    // The agent tries again after a second.
    std::thread::park_timeout(Duration::from_millis(900));
    drop(writer);
    let Outcome::Chain(outcome) = agent.read_reply() else { panic!("no chain") };
    assert_eq!(outcome.error, None);
    assert!(start.elapsed() >= Duration::from_secs(1), "it was refused at first: {:?}", start.elapsed());
}

#[test]
fn versions_name_plugins_that_cannot_start_and_describe_the_others() {
    let plugins = Plugins::new()
        .with(
            "good",
            r#"[ "$CNI_COMMAND" = VERSION ] && echo '{"supportedVersions": ["1.0.0"]}' || echo "a good one" >&2"#,
        )
        .with("odd", r#"echo "called with $CNI_COMMAND" >&2; exit 1"#)
        .with("libless", "exit 127")
        .with("loaderless", "");
    std::fs::write(plugins.file("loaderless"), "#!/no/such/interpreter\n").unwrap();
    let mut agent = Agent::node(&plugins);
    let plugins = vec!["good".into(), "odd".into(), "libless".into(), "loaderless".into(), "absent".into()];
    let Outcome::Versions(versions) = agent.request(Op::CniVersions { plugins }) else { panic!("no versions") };
    let of = |name: &str| versions.iter().find(|one| one.plugin == name).unwrap();
    assert_eq!(
        (of("good").supported.as_slice(), of("good").about.as_deref()),
        (["1.0.0".to_owned()].as_slice(), Some("a good one"))
    );
    assert_eq!((&of("good").refused, &of("odd").refused, &of("odd").about), (&None, &None, &None));
    let refused = |name: &str| of(name).refused.as_deref().unwrap_or_default();
    assert!(refused("libless").contains("127"));
    assert!(refused("loaderless").contains("interpreter or dynamic loader"));
    assert!(refused("absent").contains("not found in /opt/cni/bin"));
}

#[test]
fn a_file_that_is_no_program_is_not_run_by_a_shell() {
    let plugins = Plugins::new().with("bad", "");
    std::fs::write(plugins.file("bad"), "touch /tmp/was-run\n").unwrap();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let outcome = agent.add("bad");
    assert!(message(&outcome).contains("exec format error"), "{}", message(&outcome));
    assert_eq!(agent.run(&["ls", "/tmp"]).1, "");
}
