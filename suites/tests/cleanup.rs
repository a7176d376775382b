//! Cleanup: a run ended by SIGTERM or SIGKILL in the middle of a plugin that hangs.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumbline_suites::command::{plumbline, program};
use plumbline_suites::host::{HostState, is_engine_link, processes_with, wait_for};
use plumbline_testbed::exec::Session;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[test]
fn links_of_an_engine_are_recognised_by_name() {
    assert!(["docker0", "veth1a2b3c4", "br-0123456789ab"].iter().all(|name| is_engine_link(name)));
    assert!(["br-ex", "br-mgmt", "veth0", "eth1"].iter().all(|name| !is_engine_link(name)));
}

/// A plugin that prints its versions and hangs at ADD. A number in its command line identifies it.
fn write_hanging_plugin(folder: &Path, seconds: u32) -> anyhow::Result<String> {
    let path = folder.join("hangs");
    let versions = r#"{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}"#;
    let script = format!(
        "#!/bin/sh\nif [ \"$CNI_COMMAND\" = VERSION ]; then echo '{versions}'; exit 0; fi\nexec sleep {seconds}\n"
    );
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(format!("macvlan={}", path.display()))
}

/// Starts a run and waits until its plugin hangs.
async fn start_hanging_run(folder: &Path, state: &Path, seconds: u32) -> anyhow::Result<(Session, Pid)> {
    let scenario = plumbline::root::find()?.join("suites/scenarios/openshift/chain-example.yaml");
    let argv = [
        program()?.display().to_string(),
        "run".into(),
        scenario.display().to_string(),
        "--lane".into(),
        "netns".into(),
        "--plugin".into(),
        write_hanging_plugin(folder, seconds)?,
    ];
    let env = [("PLUMBLINE_STATE".to_owned(), state.display().to_string())];
    let session = Session::start(&argv, &env)?;
    let pid = session.pid().ok_or_else(|| anyhow::anyhow!("the run ended at once"))?;
    wait_for("the plugin to hang", async || Ok(!processes_with(&format!("sleep\0{seconds}")).is_empty())).await?;
    Ok((session, Pid::from_raw(i32::try_from(pid)?)))
}

/// A number of seconds that no other process sleeps for.
fn choose_seconds(base: u32) -> u32 {
    base * 100_000 + std::process::id() % 100_000
}

#[tokio::test]
async fn sigterm_cleans_up_and_reports_it() -> anyhow::Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let before = HostState::read()?;
    let seconds = choose_seconds(11);
    let (session, pid) = start_hanging_run(dir.path(), state.path(), seconds).await?;
    kill(pid, Signal::SIGTERM)?;
    let (code, output) = session.end(Duration::from_secs(20)).await;
    assert_eq!(code, Some(130), "{output}");
    assert!(output.contains("cleaning up"), "{output}");
    assert!(processes_with(&format!("sleep\0{seconds}")).is_empty(), "the plugin still runs");
    assert_eq!(HostState::read()?, before);
    Ok(())
}

#[tokio::test]
async fn gc_removes_the_leaks_of_a_killed_run() -> anyhow::Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let before = HostState::read()?;
    let seconds = choose_seconds(12);
    let (session, pid) = start_hanging_run(dir.path(), state.path(), seconds).await?;
    kill(pid, Signal::SIGKILL)?;
    session.end(Duration::from_secs(5)).await;
    // The agent is the node's first process: at its end the kernel removes the whole node.
    wait_for("the plugin to be gone with its node", async || {
        Ok(processes_with(&format!("sleep\0{seconds}")).is_empty())
    })
    .await?;
    let gc =
        || -> anyhow::Result<_> { Ok(plumbline(&["gc"])?.env("PLUMBLINE_STATE", state.path().display().to_string())) };
    let first = gc()?.run().await?;
    assert!(first.ok(), "{} {}", first.stdout, first.stderr);
    let second = gc()?.run().await?;
    assert!(second.stdout.contains("nothing was left behind"), "{}", second.stdout);
    assert_eq!(HostState::read()?, before);
    Ok(())
}

#[tokio::test]
async fn gc_prunes_the_cache_to_its_limit() -> anyhow::Result<()> {
    let (state, cache) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let entry = |name: &str, days: u64| -> anyhow::Result<std::path::PathBuf> {
        let path = cache.path().join("entries").join(name);
        std::fs::create_dir_all(&path)?;
        std::fs::File::open(&path)?.set_modified(SystemTime::now() - Duration::from_secs(days * 24 * 3600))?;
        Ok(path)
    };
    let (unused, used) = (entry("unused", 31)?, entry("used", 1)?);
    let gc = async |limit: &str| -> anyhow::Result<String> {
        let gc = plumbline(&["gc"])?
            .env("PLUMBLINE_STATE", state.path().display().to_string())
            .env("PLUMBLINE_CACHE", cache.path().display().to_string())
            .env("PLUMBLINE_CACHE_LIMIT", limit)
            .env("DOCKER_HOST", "unix:///no/such/socket");
        Ok(gc.run_ok().await?.stdout)
    };
    let printed = gc("1").await?;
    assert!(printed.contains("removed from the cache: 1 folders"), "{printed}");
    assert!(!unused.exists() && used.exists());
    gc("0").await?;
    assert!(!used.exists(), "the cache is beyond its limit");
    Ok(())
}

/// The test of the test: a link on the host is found.
#[test]
fn the_host_comparison_finds_a_leaked_link() -> anyhow::Result<()> {
    let mut host = HostState::read()?;
    assert!(host.links.contains("lo"), "the look sees links at all: {:?}", host.links);
    host.links.insert("left0".into());
    assert_ne!(host, HostState::read()?);
    Ok(())
}
