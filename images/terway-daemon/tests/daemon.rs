//! The program itself: called as the chart calls terwayd, and ended as the kubelet ends it.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[expect(clippy::disallowed_methods, reason = "a test of one small program, without the harness and its exec")]
fn daemon(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumbline-terwayd"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A started one that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where the test has ended it already, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

#[test]
fn it_hands_the_chain_over_says_what_it_is_and_ends_when_it_is_told() -> Result<()> {
    let (shared, node) = (tempfile::tempdir()?, tempfile::tempdir()?);
    std::fs::write(shared.path().join("10-terway.conflist"), "{}")?;
    let mut arguments = vec!["-log-level", "info", "-daemon-mode", "ENIMultiIP", "-config", "/etc/eni/eni_conf"];
    arguments.extend(["--shared", text(shared.path()), "--node", text(node.path())]);
    let mut running = Running(daemon(&arguments).spawn()?);
    let mut lines = BufReader::new(running.0.stderr.take().context("it has a standard error")?).lines();
    let first = lines.next().context("it says something")??;
    ensure!(first.contains("stand-in for terwayd"), "its first line says what it is: {first}");
    let second = lines.next().context("it goes on")??;
    ensure!(second.ends_with("the chain is on the node"), "{second}");
    ensure!(std::fs::read_to_string(node.path().join("10-terway.conflist"))? == "{}", "the chain is there");
    kill(Pid::from_raw(i32::try_from(running.0.id())?), Signal::SIGTERM)?;
    ensure!(running.0.wait()?.code() == Some(0), "told to end, it ends well");
    Ok(())
}

#[test]
fn without_a_chain_it_fails_and_says_which_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ended = daemon(&["--shared", text(folder.path()), "--node", text(folder.path())]).output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(ended.status.code() == Some(1) && said.contains("10-terway.conflist"), "{said}");
    Ok(())
}

#[test]
fn an_argument_that_it_does_not_know_is_refused_and_its_version_names_the_stand_in() -> Result<()> {
    ensure!(daemon(&["-kubeconfig", "/x"]).output()?.status.code() == Some(2));
    let version = String::from_utf8(daemon(&["--version"]).output()?.stdout)?;
    ensure!(version.contains("stand-in for terwayd, not upstream's"), "{version}");
    Ok(())
}
