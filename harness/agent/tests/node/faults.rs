//! Plugins that do wrong, each in its own way.

use crate::talk::{Agent, Plugins, chain, until};
use plumbline_core::cni::{ChainOutcome, CniCommand, Exit};
use plumbline_core::protocol::{Op, Outcome};
use serde_json::json;
use std::fs::OpenOptions;
use std::time::{Duration, Instant};

fn added(body: &str) -> (Agent, ChainOutcome) {
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
fn a_cni_error_is_told_with_its_code() {
    let (_agent, outcome) = added(r#"echo '{"code": 11, "msg": "try later", "details": "busy"}'; exit 1"#);
    assert_eq!(
        message(&outcome),
        "link 1 of 1 of network net (plugin bad) failed at add: exit 1, CNI code 11: try later; busy"
    );
    assert_eq!(outcome.error.unwrap().cni.unwrap().code, 11);
}

#[test]
fn a_message_of_many_lines_and_control_characters_becomes_one_plain_line() {
    let (_agent, outcome) = added(r#"printf '{"code": 7, "msg": "first\\nsecond \\u001b[31m"}'; exit 1"#);
    assert!(message(&outcome).ends_with("CNI code 7: first; second \\u{1b}[31m"), "{}", message(&outcome));
}

#[test]
fn a_panic_is_told_by_exit_code_and_standard_error() {
    let (_agent, outcome) = added("echo 'panic: nil map' >&2; exit 2");
    assert!(message(&outcome).contains("exit 2, nothing on standard output"), "{}", message(&outcome));
    assert!(message(&outcome).contains("panic: nil map"));
    assert_eq!(outcome.calls[0].exit, Exit::Code(2));
}

#[test]
fn garbage_and_silence_with_exit_0_are_errors() {
    let (_agent, outcome) = added("echo all is well");
    assert!(message(&outcome).contains("exit 0, and no result on standard output but \"all is well\""));
    let (_agent, outcome) = added("exit 0");
    assert!(message(&outcome).contains("exit 0 without a result"));
}

#[test]
fn text_on_standard_error_with_exit_0_is_kept_and_no_error() {
    let (_agent, outcome) = added(r#"echo "route refused" >&2; echo '{"cniVersion": "1.0.0"}'"#);
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
    until("the grandchildren to be gone and reaped", || !agent.run(&["ps", "-e", "-o", "comm"]).1.contains("tail"));
}

#[test]
fn a_daemon_that_keeps_standard_output_open_does_not_block() {
    let start = Instant::now();
    let (_agent, outcome) = added(r#"tail -f /dev/null & echo '{"cniVersion": "1.0.0"}'"#);
    assert_eq!(outcome.error, None);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let own = Duration::from_micros(outcome.calls[0].duration_us);
    let waited = Duration::from_millis(100);
    assert!(own + waited <= start.elapsed(), "the wait for the pipe is not the plugin's time: {own:?}");
}

#[test]
fn a_flood_on_standard_output_is_cut_and_its_plugin_killed() {
    let (_agent, outcome) = added("head -c 104857600 /dev/zero; echo done >&2");
    assert!(message(&outcome).contains("printed more than 4194304 bytes"), "{}", message(&outcome));
    assert_eq!(outcome.calls[0].stdout.len(), 4 * 1024 * 1024);
}

#[test]
fn a_large_configuration_passes_a_plugin_that_reads_late_or_never() {
    let plugins = Plugins::new()
        .with("late", r#"n=$(wc -c); echo "$n" >&2; echo '{"cniVersion": "1.0.0"}'"#)
        .with("never", r#"echo '{"cniVersion": "1.0.0"}'"#);
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let text = "x".repeat(1024 * 1024);
    for plugin in ["late", "never"] {
        let config = chain("1.0.0", &[json!({"type": plugin, "text": text})]);
        let outcome = agent.chain(CniCommand::Add, &config, Duration::from_secs(20));
        assert_eq!(outcome.error, None);
        if plugin == "late" {
            assert!(outcome.calls[0].stderr.trim().parse::<usize>().unwrap() > text.len());
        }
    }
}

#[test]
fn a_binary_that_is_still_being_written_is_tried_again() {
    let plugins = Plugins::new().with("busy", r#"echo '{"cniVersion": "1.0.0"}'"#);
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let writer = OpenOptions::new().append(true).open(plugins.file("busy")).unwrap();
    let held = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(300));
        drop(writer);
    });
    let start = Instant::now();
    let outcome = agent.add("busy");
    held.join().unwrap();
    assert_eq!(outcome.error, None);
    assert!(start.elapsed() >= Duration::from_secs(1), "it was refused at first: {:?}", start.elapsed());
}

#[test]
fn plugins_that_can_not_start_are_named_and_the_others_say_who_they_are() {
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
    let Outcome::Versions(versions) = agent.ask(Op::CniVersions { plugins }) else { panic!("no versions") };
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
fn what_is_no_program_is_not_handed_to_a_shell() {
    let plugins = Plugins::new().with("bad", "");
    std::fs::write(plugins.file("bad"), "touch /tmp/was-run\n").unwrap();
    let mut agent = Agent::node(&plugins);
    agent.pod("p");
    let outcome = agent.add("bad");
    assert!(message(&outcome).contains("exec format error"), "{}", message(&outcome));
    assert_eq!(agent.run(&["ls", "/tmp"]).1, "");
}
