//! The roles of the processes that the cases start.

use plumbline_testbed::exec::Session;
use plumbline_testbed::journal::{self, Effect, Run, start_time};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::Deadline;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// `child ROLE FOLDER`.
pub fn main(arguments: &[String]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = PathBuf::from(&arguments[1]);
    runtime.block_on(async {
        match arguments[0].as_str() {
            "make-and-hang" => make_and_hang(folder).await,
            "make-and-unwind" => make_and_unwind(folder).await,
            "reused-pid" => reused_pid(&arguments[2]),
            "stubborn" => stubborn(folder),
            "gc" => collect().await,
            "forget" => forget().await,
            "hold" => hold(&arguments[2]).await,
            "take" => take(&arguments[2]).await,
            other => panic!("no such role: {other}"),
        }
    });
    ExitCode::SUCCESS
}

fn print(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Creates a folder with a file, and a process with a child.
fn make(run: &Run, folder: PathBuf) -> Session {
    run.intend(Effect::Folder { path: folder.clone() }).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "x").unwrap();
    let session = Session::start(&["sh", "-c", "sleep 600 & wait"].map(String::from), &[]).unwrap();
    let pid = session.pid().unwrap();
    run.intend(Effect::Process { pid, start: start_time(pid).unwrap(), what: "a sleeper".into() }).unwrap();
    print(&format!("{} {pid}", run.id()));
    session
}

async fn make_and_hang(folder: PathBuf) {
    let run = Run::begin("test").unwrap();
    let _session = make(&run, folder);
    std::future::pending::<()>().await;
}

async fn make_and_unwind(folder: PathBuf) {
    let run = Run::begin("test").unwrap();
    let session = make(&run, folder);
    let left = run.unwind(&[]).await;
    session.end(Duration::ZERO).await;
    print(&format!("left {}", left.len()));
}

/// Records a live process with another start time, as after a reuse of its id.
fn reused_pid(pid: &str) {
    let run = Run::begin("test").unwrap();
    let pid = pid.parse().unwrap();
    run.intend(Effect::Process { pid, start: start_time(pid).unwrap() - 1, what: "long dead".into() }).unwrap();
    print("ready");
}

/// Records a folder as a file, which can't be removed as a file, between two files.
fn stubborn(folder: PathBuf) {
    let run = Run::begin("test").unwrap();
    for name in ["first", "middle", "last"] {
        let path = folder.join(name);
        run.intend(Effect::File { path: path.clone() }).unwrap();
        if name == "middle" { std::fs::create_dir(path).unwrap() } else { std::fs::write(path, "x").unwrap() }
    }
    run.intend(Effect::Container { name: "not-undone-here".into() }).unwrap();
    print("ready");
}

async fn collect() {
    let collected = journal::gc(&[]).await.unwrap();
    for line in collected.undone {
        print(&format!("undone {line}"));
    }
    for line in collected.live_runs {
        print(&format!("alive {line}"));
    }
    for line in collected.failures {
        print(&format!("left {line}"));
    }
}

/// Like a user's `gc`: collects, then deletes old runs.
async fn forget() {
    collect().await;
    print(&format!("forgotten {}", journal::delete_old_runs().unwrap()));
}

async fn hold(kind: &str) {
    let _lease = Lease::take("cluster x", kind_of(kind), Deadline::after(Duration::from_secs(5))).await.unwrap();
    print("held");
    std::future::pending::<()>().await;
}

async fn take(kind: &str) {
    match Lease::take("cluster x", kind_of(kind), Deadline::after(Duration::from_millis(300))).await {
        Ok(_lease) => print("taken"),
        Err(error) => print(&error.to_string()),
    }
}

fn kind_of(kind: &str) -> Kind {
    if kind == "shared" { Kind::Shared } else { Kind::Exclusive }
}
