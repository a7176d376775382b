//! The cases. Each gets an empty folder.

use libtest_mimic::Failed;
use plumbline_testbed::exec::{Cmd, Session};
use plumbline_testbed::journal::{alive, start_time};
use plumbline_testbed::wait::{Deadline, Look, until};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt as _, BufReader};

type Case = fn(&Path, &tokio::runtime::Runtime);

/// Name and case.
pub const ALL: &[(&str, Case)] = &[
    ("a_killed_run_is_collected", a_killed_run_is_collected),
    ("a_live_run_is_left_alone", a_live_run_is_left_alone),
    ("a_run_that_unwinds_leaves_nothing_to_collect", a_run_that_unwinds_leaves_nothing_to_collect),
    ("a_reused_process_id_is_not_killed", a_reused_process_id_is_not_killed),
    ("collecting_goes_on_after_what_it_cannot_undo", collecting_goes_on_after_what_it_cannot_undo),
    ("an_old_run_is_forgotten_when_it_left_nothing", an_old_run_is_forgotten_when_it_left_nothing),
    ("a_line_cut_short_hides_nothing", a_line_cut_short_hides_nothing),
    ("an_exclusive_lease_excludes_until_its_holder_dies", an_exclusive_lease_excludes_until_its_holder_dies),
    ("shared_leases_are_shared", shared_leases_are_shared),
];

/// Runs one.
pub fn run(case: Case) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    case(dir.path(), &runtime);
    Ok(())
}

fn argv(role: &str, dir: &Path, more: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap().display().to_string();
    vec![program, "child".into(), role.into(), dir.join("made").display().to_string(), more.into()]
}

fn env(dir: &Path) -> (String, String) {
    ("PLUMBLINE_STATE".into(), dir.join("state").display().to_string())
}

/// Runs a child to its end, and returns its lines of output.
async fn child(role: &str, dir: &Path, more: &str) -> Vec<String> {
    let argv = argv(role, dir, more);
    let (name, value) = env(dir);
    let done = Cmd::new(&argv[0]).args(argv[1..].to_vec()).env(name, value).run_ok().await.unwrap();
    done.stdout.lines().map(str::to_owned).collect()
}

/// Starts a child that does not end, and returns it with its first line of output.
async fn started(role: &str, dir: &Path, more: &str) -> (Session, String) {
    let mut session = Session::start(&argv(role, dir, more), &[env(dir)]).unwrap();
    let (_input, output) = session.streams().unwrap();
    let line = BufReader::new(output).lines().next_line().await.unwrap().unwrap();
    (session, line)
}

/// Kills a child, but not the processes that it started.
async fn kill(session: Session) {
    let pid = session.pid().unwrap();
    Cmd::new("kill").args(["-9", &pid.to_string()]).run_ok().await.unwrap();
    // The sleeper is not in this group; it has its own.
    session.end(Duration::from_secs(60)).await;
}

async fn gone(pid: u32, start: u64) {
    let look = async || Ok(if alive(pid, start) { Look::NotYet("it runs".into()) } else { Look::There(()) });
    let deadline = Deadline::after(Duration::from_secs(60));
    until("test", &format!("process {pid} to end"), deadline, Duration::from_millis(10), look).await.unwrap();
}

fn two(line: &str) -> (String, u32) {
    let (run, pid) = line.split_once(' ').unwrap();
    (run.to_owned(), pid.parse().unwrap())
}

fn a_killed_run_is_collected(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        let (session, line) = started("make-and-hang", dir, "").await;
        let (_, sleeper) = two(&line);
        let start = start_time(sleeper).unwrap();
        kill(session).await;
        assert!(dir.join("made/file").exists() && alive(sleeper, start), "the killed run cleaned up nothing itself");
        let said = child("gc", dir, "").await;
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said.iter().all(|line| line.starts_with("undone ")), "{said:?}");
        assert!(!dir.join("made").exists());
        gone(sleeper, start).await;
        assert_eq!(child("gc", dir, "").await, Vec::<String>::new(), "a second call does nothing");
    });
}

fn a_live_run_is_left_alone(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        let (session, line) = started("make-and-hang", dir, "").await;
        let (run, sleeper) = two(&line);
        let start = start_time(sleeper).unwrap();
        assert_eq!(child("gc", dir, "").await, [format!("alive {run}")]);
        assert!(dir.join("made/file").exists() && alive(sleeper, start));
        kill(session).await;
        child("gc", dir, "").await;
        gone(sleeper, start).await;
    });
}

fn a_run_that_unwinds_leaves_nothing_to_collect(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        let said = child("make-and-unwind", dir, "").await;
        let (_, sleeper) = two(&said[0]);
        assert_eq!(said[1], "left 0");
        assert!(!dir.join("made").exists() && start_time(sleeper).is_none());
        assert_eq!(child("gc", dir, "").await, Vec::<String>::new());
    });
}

fn a_reused_process_id_is_not_killed(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        let bystander = Session::start(&["sleep", "600"].map(String::from), &[]).unwrap();
        let pid = bystander.pid().unwrap();
        let start = start_time(pid).unwrap();
        assert_eq!(child("reused-pid", dir, &pid.to_string()).await, ["ready"]);
        assert_eq!(child("gc", dir, "").await, [format!("undone process {pid} (long dead)")]);
        assert!(alive(pid, start), "another program's process was killed");
        bystander.end(Duration::ZERO).await;
    });
}

fn collecting_goes_on_after_what_it_cannot_undo(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        let made = dir.join("made");
        std::fs::create_dir(&made).unwrap();
        assert_eq!(child("stubborn", dir, "").await, ["ready"]);
        let said = child("gc", dir, "").await;
        let left: Vec<_> = said.iter().filter(|line| line.starts_with("left ")).collect();
        assert_eq!((said.len(), left.len()), (4, 2), "{said:?}");
        assert_eq!(left[0], "left container not-undone-here: this command can't undo this kind");
        assert!(left[1].starts_with(&format!("left file {}", made.join("middle").display())), "{left:?}");
        assert!(!made.join("first").exists() && !made.join("last").exists());
        // Remaining effects are tried again, undone ones are not.
        std::fs::remove_dir(made.join("middle")).unwrap();
        let again = child("gc", dir, "").await;
        assert_eq!(again.iter().filter(|line| line.starts_with("undone ")).count(), 1, "{again:?}");
    });
}

fn an_old_run_is_forgotten_when_it_left_nothing(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        child("make-and-unwind", dir, "").await;
        let runs = || std::fs::read_dir(dir.join("state/runs")).unwrap().map(|run| run.unwrap().path());
        let over = runs().next().unwrap();
        // A run of a newer version, whose effects this version can't read; and a run with open effects.
        let newer = dir.join("state/runs/newer");
        std::fs::create_dir(&newer).unwrap();
        std::fs::write(newer.join("journal.jsonl"), "{\"intent\":{\"id\":1,\"effect\":{\"star\":{}}}}\n").unwrap();
        std::fs::create_dir(dir.join("made")).unwrap();
        child("stubborn", dir, "").await;
        let age = |days: u64| {
            for run in runs() {
                let journal = std::fs::File::options().append(true).open(run.join("journal.jsonl")).unwrap();
                journal.set_modified(SystemTime::now() - Duration::from_secs(days * 24 * 3600)).unwrap();
            }
        };
        child("gc", dir, "").await;
        age(29);
        assert_eq!(child("forget", dir, "").await.pop().unwrap(), "forgotten 0", "a recent run is kept");
        age(31);
        assert_eq!(child("forget", dir, "").await.pop().unwrap(), "forgotten 1");
        assert!(!over.exists() && newer.exists());
        assert_eq!(runs().count(), 2, "runs with open effects stay");
    });
}

fn a_line_cut_short_hides_nothing(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        let (session, line) = started("make-and-hang", dir, "").await;
        let (run, sleeper) = two(&line);
        let start = start_time(sleeper).unwrap();
        kill(session).await;
        let journal = dir.join("state/runs").join(run).join("journal.jsonl");
        let mut text = std::fs::read_to_string(&journal).unwrap();
        text.push_str(r#"{"intent":{"id":3,"eff"#);
        std::fs::write(&journal, text).unwrap();
        assert_eq!(child("gc", dir, "").await.len(), 2);
        gone(sleeper, start).await;
        assert_eq!(child("gc", dir, "").await, Vec::<String>::new(), "a crossed-out effect stays crossed out");
    });
}

fn an_exclusive_lease_excludes_until_its_holder_dies(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        let (holder, line) = started("hold", dir, "exclusive").await;
        assert_eq!(line, "held");
        for kind in ["shared", "exclusive"] {
            let said = child("take", dir, kind).await.remove(0);
            let by = format!("held by process {}", holder.pid().unwrap());
            assert!(said.contains("lease cluster x") && said.contains(&by), "{said}");
        }
        kill(holder).await;
        assert_eq!(child("take", dir, "exclusive").await, ["taken"]);
    });
}

fn shared_leases_are_shared(dir: &Path, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(async {
        let (holder, _) = started("hold", dir, "shared").await;
        assert_eq!(child("take", dir, "shared").await, ["taken"]);
        let said = child("take", dir, "exclusive").await.remove(0);
        assert!(said.contains("last seen: held by process"), "{said}");
        kill(holder).await;
    });
}
