//! The virtual machine that scenarios of the vm lane share: after a scenario crashes it, when it is
//! unused, and after its user is killed. Each test has its own state folder, and so its own machine.

use anyhow::Context as _;
use plumbline_suites::command::{plumbline, program};
use plumbline_testbed::exec::{Session, Transcript};
use plumbline_testbed::wait::{Deadline, Look, until};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Deadline from the start to the end of a session, on a host under load.
const PATIENCE: Duration = Duration::from_secs(200);
const LOOK: Duration = Duration::from_millis(50);

/// The record of the only machine below a state folder.
struct Machine {
    pid: u32,
    sockets: PathBuf,
}

impl Machine {
    fn read(state: &Path) -> Option<Self> {
        let folders = std::fs::read_dir(state.join("vm")).ok()?.filter_map(Result::ok);
        let text = folders.filter_map(|entry| std::fs::read(entry.path().join("record.json")).ok()).next()?;
        let record: Value = serde_json::from_slice(&text).ok()?;
        let pid = u32::try_from(record["pid"].as_u64()?).ok()?;
        Some(Self { pid, sockets: record["sockets"].as_str()?.into() })
    }

    fn is_alive(&self) -> bool {
        plumbline_testbed::journal::start_time(self.pid).is_some()
    }

    async fn wait_for_end(&self) -> anyhow::Result<()> {
        let look = async || {
            Ok(match self.is_alive() || self.sockets.exists() {
                false => Look::There(()),
                true => Look::NotYet(format!("process {}, {}", self.pid, self.sockets.display())),
            })
        };
        Ok(until("look", "the machine and its sockets to be gone", Deadline::after(PATIENCE), LOOK, look).await?)
    }
}

async fn run(state: &Path, idle: &str, args: &[&str]) -> anyhow::Result<Transcript> {
    let command = plumbline(args)?.env("PLUMBLINE_STATE", state.display().to_string()).env("PLUMBLINE_VM_IDLE", idle);
    Ok(command.deadline(PATIENCE).run().await?)
}

/// A macvlan plugin whose ADD crashes the guest's kernel.
fn write_crashing_plugin(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("macvlan");
    let script = "#!/bin/sh\nif [ \"$CNI_COMMAND\" != ADD ]; then echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"1.0.0\"]}'; exit; fi\n\
        echo c > /proc/sysrq-trigger\nsleep 60\n";
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(format!("macvlan={}", path.display()))
}

#[tokio::test]
async fn a_scenario_that_stops_the_machine_fails_alone() -> anyhow::Result<()> {
    let (state, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let plugin = write_crashing_plugin(folder.path())?;
    let args = [
        "run",
        "suites/scenarios/macvlan/two-pods.yaml",
        "suites/scenarios/dummy/static.yaml",
        "--lane",
        "vm",
        "--jobs",
        "1",
        "--plugin",
        plugin.as_str(),
    ];
    let seen = run(state.path(), "60", &args).await?;
    let text = format!("{}{}", seen.stdout, seen.stderr);
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default();
    assert!(line("macvlan/two-pods").starts_with("ERROR"), "{text}");
    assert!(text.contains("the virtual machine has ended; its console ends with: "), "{text}");
    assert!(line("dummy/static").starts_with("PASS"), "a new machine serves the next one: {text}");
    run(state.path(), "60", &["down"]).await?;
    Machine::read(state.path()).context("no record of a machine")?.wait_for_end().await
}

#[tokio::test]
async fn an_unused_machine_powers_off() -> anyhow::Result<()> {
    let state = tempfile::tempdir()?;
    let seen = run(state.path(), "1", &["up", "--lane", "vm"]).await?;
    assert!(seen.ok(), "{}{}", seen.stdout, seen.stderr);
    let machine = Machine::read(state.path()).context("no record of a machine")?;
    machine.wait_for_end().await?;
    let gc = run(state.path(), "1", &["gc"]).await?;
    assert!(gc.ok(), "what went by itself is nothing that can't be undone: {}{}", gc.stdout, gc.stderr);
    Ok(())
}

#[tokio::test]
async fn gc_stops_the_machine_of_a_killed_run() -> anyhow::Result<()> {
    let state = tempfile::tempdir()?;
    let args = ["run", "openshift/chain-example", "--lane", "vm"];
    let mut argv = vec![program()?.display().to_string()];
    argv.extend(args.map(str::to_owned));
    let env = [("PLUMBLINE_STATE".to_owned(), state.path().display().to_string())];
    let session = Session::start(&argv, &env)?;
    let look = async || {
        Ok(match Machine::read(state.path()).filter(Machine::is_alive) {
            Some(machine) => Look::There(machine),
            None => Look::NotYet("no record".to_owned()),
        })
    };
    let machine = until("look", "a machine", Deadline::after(PATIENCE), LOOK, look).await?;
    let spared = run(state.path(), "60", &["gc"]).await?;
    assert!(machine.is_alive(), "gc must not stop a machine in use: {}{}", spared.stdout, spared.stderr);
    // Without a grace period the session ends by SIGKILL.
    session.end(Duration::ZERO).await;
    assert!(machine.is_alive(), "the machine outlives its starter");
    let gc = run(state.path(), "60", &["gc"]).await?;
    assert!(gc.stdout.contains("(a virtual machine)"), "{}{}", gc.stdout, gc.stderr);
    machine.wait_for_end().await
}
