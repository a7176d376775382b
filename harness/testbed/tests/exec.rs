//! Tests of starting processes: deadlines, grandchildren, long output, failures.

use plumbline_testbed::exec::{Cmd, ExecError, ProcessEnd, Session, detach};
use plumbline_testbed::journal::{alive, start_time};
use plumbline_testbed::wait::{Deadline, Look, until};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

fn shell(script: &str) -> Cmd {
    Cmd::new("sh").args(["-c", script])
}

async fn wait_gone(pid: u32, start: u64) {
    let gone = async || Ok(if alive(pid, start) { Look::NotYet("it runs".into()) } else { Look::There(()) });
    let deadline = Deadline::after(Duration::from_secs(60));
    until("test", &format!("process {pid} to end"), deadline, Duration::from_millis(10), gone).await.unwrap();
}

#[tokio::test]
async fn stdout_and_stderr_are_separate_and_stdin_is_closed() {
    let done = shell("cat; echo out; echo err >&2").run().await.unwrap();
    assert!(done.ok(), "cat ends, because its input is closed");
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
    let done = Cmd::new("cat").stdin("given").run().await.unwrap();
    assert_eq!(done.stdout, "given");
}

#[tokio::test]
async fn the_error_has_the_command_as_a_shell_line() {
    let error = shell("echo 'it says no' >&2; exit 3").run_ok().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(r"`sh -c 'echo '\''it says no'\'' >&2; exit 3'` failed: exit code 3 after "), "{text}");
    assert!(text.ends_with(" s: it says no"), "{text}");
    let error = Cmd::new("/nowhere/plumbline-test").run().await.unwrap_err();
    assert!(
        matches!(error, ExecError::NotStarted { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound),
        "{error}"
    );
    let signal = shell("kill -TERM $$").run().await.unwrap();
    assert_eq!(signal.ending, ProcessEnd::Signal(15));
}

#[tokio::test]
async fn the_deadline_ends_the_whole_group() {
    // On a loaded machine the shell may be killed before it starts its child. Then the test repeats it with more time.
    let mut printed = String::new();
    for deadline in [300, 3000, 30_000].map(Duration::from_millis) {
        let begun = Instant::now();
        // The child ignores SIGTERM and has its own child.
        let done = shell("trap '' TERM; sleep 600 & echo $!; wait; wait").deadline(deadline).run().await.unwrap();
        assert_eq!(done.ending, ProcessEnd::Deadline(deadline));
        assert!(begun.elapsed() < deadline + Duration::from_secs(30), "{:?}", begun.elapsed());
        printed = done.stdout;
        if !printed.is_empty() {
            break;
        }
    }
    let grandchild: u32 = printed.trim().parse().unwrap();
    wait_gone(grandchild, start_time(grandchild).unwrap_or_default()).await;
    assert!(start_time(grandchild).is_none(), "the grandchild is gone as well");
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_output_open_does_not_delay_the_result() {
    let begun = Instant::now();
    let done = shell("sleep 600 & echo $!").run().await.unwrap();
    assert!(done.ok() && begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let grandchild = done.stdout.trim().to_owned();
    Cmd::new("kill").arg(grandchild).run_ok().await.unwrap();
    // A grandchild that keeps printing does not delay the result either.
    let done = shell("(trap 'exit 0' TERM; while :; do echo x; done) & echo $! >&2").cap(1000).run().await.unwrap();
    assert!(done.ok() && begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    Cmd::new("kill").arg("-9").arg(done.stderr.trim()).run_ok().await.unwrap();
}

#[tokio::test]
async fn long_output_keeps_its_end() {
    let done = shell("head -c 104857600 /dev/zero; echo end").cap(1 << 20).run().await.unwrap();
    assert!(done.ok());
    assert_eq!(done.stdout.len(), 1 << 20);
    assert!(done.stdout.ends_with("end\n"));
}

#[tokio::test]
async fn each_line_is_passed_on_and_the_last_needs_no_line_end() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    shell("printf 'a\\n\\nb\\rc'")
        .on_line(move |line| into.lock().unwrap().push(line.to_owned()))
        .run_ok()
        .await
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn dropping_a_run_ends_its_group() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let run = shell("sleep 600 & echo $!; wait").on_line(move |line| {
        if let Some(sender) = sender.lock().unwrap().take() {
            sender.send(line.parse::<u32>().unwrap()).unwrap();
        }
    });
    let grandchild = tokio::select! {
        _ = run.run() => panic!("it has no reason to end"),
        pid = receiver => pid.unwrap(),
    };
    wait_gone(grandchild, start_time(grandchild).unwrap_or_default()).await;
}

#[tokio::test]
async fn a_session_reads_input_and_ends_with_it() {
    let argv = ["sh", "-c", "echo ready >&2; while read l; do echo \"got $l\"; done"].map(String::from);
    let mut session = Session::start(&argv, &[]).unwrap();
    let (mut input, output) = session.streams().unwrap();
    assert!(session.streams().is_none());
    let mut lines = BufReader::new(output).lines();
    for word in ["one", "two"] {
        input.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), format!("got {word}"));
    }
    drop(input);
    let (code, stderr) = session.end(Duration::from_secs(60)).await;
    assert_eq!((code, stderr.as_str()), (Some(0), "ready\n"));
}

#[tokio::test]
async fn a_session_that_does_not_end_is_killed() {
    let argv = ["sh", "-c", "sleep 600 & wait; wait"].map(String::from);
    let session = Session::start(&argv, &[]).unwrap();
    let pid = session.pid().unwrap();
    let (code, _) = session.end(Duration::from_millis(50)).await;
    assert_eq!(code, None);
    assert!(start_time(pid).is_none());
}

#[tokio::test]
async fn a_dropped_session_is_killed_and_waited_for() {
    let argv = ["sleep", "600"].map(String::from);
    let session = Session::start(&argv, &[]).unwrap();
    let pid = session.pid().unwrap();
    drop(session);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "killed, and not waited for");
}

#[tokio::test]
async fn a_detached_process_has_a_separate_session() {
    let dir = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let argv = ["sleep", "600"].map(String::from);
    let pid = detach(&argv, &[], &log).unwrap();
    // Between fork and exec it is still in this session.
    let field = |at: usize| -> String {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(at).unwrap().to_owned()
    };
    let leads = async || Ok(if field(3) == pid.to_string() { Look::There(()) } else { Look::NotYet(field(3)) });
    let deadline = Deadline::after(Duration::from_secs(60));
    until("test", "a separate session", deadline, Duration::from_millis(5), leads).await.unwrap();
    Cmd::new("kill").arg(pid.to_string()).run_ok().await.unwrap();
    let missing = detach(&["/nowhere/plumbline-test".to_owned()], &[], &log).unwrap_err();
    assert!(
        matches!(missing, ExecError::NotStarted { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    );
}

#[tokio::test]
async fn the_last_call_for_a_variable_wins() {
    let say = || shell("echo \"${PLB_WORD-none}\"");
    let given = say().without_env("PLB_WORD").env("PLB_WORD", "given").run().await.unwrap();
    let taken = say().env("PLB_WORD", "given").without_env("PLB_WORD").run().await.unwrap();
    assert_eq!((given.stdout.trim(), taken.stdout.trim()), ("given", "none"));
}
