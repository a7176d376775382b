//! Nothing is left behind: a run ended by SIGTERM or SIGKILL in the middle of a plugin that hangs.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plumbline_bed::exec::Session;
use plumbline_bed::wait::{self, Deadline};
use plumbline_suites::command::{plumbline, program};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// What can be seen of the host from its first namespaces.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    links: BTreeSet<String>,
    mounts: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

impl Host {
    /// Links and named namespaces of the host, and mounts that concern Plumbline or network namespaces. Other tests
    /// run beside this one, so only what no test may ever make on the host is looked at.
    fn look() -> anyhow::Result<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let ours = |line: &&str| line.contains("plumbline") || line.contains("netns") || line.contains("/var/lib/cni");
        Ok(Self {
            links: names("/sys/class/net"),
            mounts: mounts.lines().filter(ours).map(ToOwned::to_owned).collect(),
            namespaces: names("/run/netns"),
        })
    }
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| !of_an_engine(name)).collect()
}

/// Links that a container engine beside us makes and removes by its own will: `docker0`, `veth` with seven hex digits,
/// `br-` with twelve. Nothing wider, or a `br-ex` that leaked would not be seen.
fn of_an_engine(name: &str) -> bool {
    let hex = |start: &str, count: usize| {
        let rest = name.strip_prefix(start);
        rest.is_some_and(|rest| rest.len() == count && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    name == "docker0" || hex("veth", 7) || hex("br-", 12)
}

#[test]
fn a_bridge_of_ours_is_not_taken_for_an_engines() {
    assert!(["docker0", "veth1a2b3c4", "br-0123456789ab"].iter().all(|name| of_an_engine(name)));
    assert!(["br-ex", "br-mgmt", "veth0", "eth1"].iter().all(|name| !of_an_engine(name)));
}

/// Processes whose command line has `mark` in it.
fn marked(mark: &str) -> BTreeSet<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    })
    .collect()
}

async fn until(what: &str, seen: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Deadline::after(Duration::from_secs(60));
    while !seen() {
        anyhow::ensure!(!deadline.over(), "waited 60 s for {what}");
        wait::pause(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A plugin that says its versions and then hangs, with a number in its command line to be found by.
fn hanging(folder: &Path, seconds: u32) -> anyhow::Result<String> {
    let path = folder.join("hangs");
    let versions = r#"{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}"#;
    let script = format!(
        "#!/bin/sh\nif [ \"$CNI_COMMAND\" = VERSION ]; then echo '{versions}'; exit 0; fi\nexec sleep {seconds}\n"
    );
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(format!("macvlan={}", path.display()))
}

/// A run that is in the middle of a plugin that hangs.
async fn in_the_middle(folder: &Path, state: &Path, seconds: u32) -> anyhow::Result<(Session, Pid)> {
    let scenario = plumbline::root::find()?.join("suites/scenarios/openshift/chain-example.yaml");
    let argv = [
        program()?.display().to_string(),
        "run".into(),
        scenario.display().to_string(),
        "--lane".into(),
        "netns".into(),
        "--plugin".into(),
        hanging(folder, seconds)?,
    ];
    let env = [("PLUMBLINE_STATE".to_owned(), state.display().to_string())];
    let session = Session::start(&argv, &env)?;
    let pid = session.pid().ok_or_else(|| anyhow::anyhow!("the run ended at once"))?;
    until("the plugin to hang", || !marked(&format!("sleep\0{seconds}")).is_empty()).await?;
    Ok((session, Pid::from_raw(i32::try_from(pid)?)))
}

/// Numbers of seconds that no other process sleeps for.
fn unlike_any(base: u32) -> u32 {
    base * 100_000 + std::process::id() % 100_000
}

#[tokio::test]
async fn sigterm_cleans_up_and_says_so() -> anyhow::Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let before = Host::look()?;
    let seconds = unlike_any(11);
    let (session, pid) = in_the_middle(dir.path(), state.path(), seconds).await?;
    kill(pid, Signal::SIGTERM)?;
    let (code, said) = session.end(Duration::from_secs(20)).await;
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("cleaning up"), "{said}");
    assert!(marked(&format!("sleep\0{seconds}")).is_empty(), "the plugin still runs");
    assert_eq!(Host::look()?, before);
    Ok(())
}

#[tokio::test]
async fn after_sigkill_gc_finds_nothing_or_takes_it_away() -> anyhow::Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let before = Host::look()?;
    let seconds = unlike_any(12);
    let (session, pid) = in_the_middle(dir.path(), state.path(), seconds).await?;
    kill(pid, Signal::SIGKILL)?;
    session.end(Duration::from_secs(5)).await;
    // The agent is the node's first process: with it the kernel takes the whole node away.
    until("the plugin to be gone with its node", || marked(&format!("sleep\0{seconds}")).is_empty()).await?;
    let gc =
        || -> anyhow::Result<_> { Ok(plumbline(&["gc"])?.env("PLUMBLINE_STATE", state.path().display().to_string())) };
    let first = gc()?.run().await?;
    assert!(first.ok(), "{} {}", first.stdout, first.stderr);
    let second = gc()?.run().await?;
    assert!(second.stdout.contains("nothing was left behind"), "{}", second.stdout);
    assert_eq!(Host::look()?, before);
    Ok(())
}

/// The test of the test: a link on the host would be seen.
#[test]
fn a_link_left_on_the_host_would_be_seen() -> anyhow::Result<()> {
    let mut host = Host::look()?;
    assert!(host.links.contains("lo"), "the look sees links at all: {:?}", host.links);
    host.links.insert("left0".into());
    assert_ne!(host, Host::look()?);
    Ok(())
}
