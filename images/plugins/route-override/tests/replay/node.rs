//! The private node: a user, mount and network namespace with a pod's network namespace in it.
//!
//! A process with more than one thread can't make a user namespace, and the test harness has threads. So each case runs
//! in this program started again behind util-linux's `unshare`; [`inside`] is the first thing that program does.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use plumbline_netlink::namespace;

use super::recording::{self, Case};

/// Tells the inner program which case it is for.
const INNER: &str = "PLUMBLINE_REPLAY_CASE";

/// Where the recording has the pod's namespace.
const POD: &str = "/run/netns/pod";

/// What `unshare` may be told to do, the better one first. Root does not need a user namespace.
const WAYS: [&[&str]; 2] = [&["--user", "--map-root-user", "--net", "--mount"], &["--net", "--mount"]];

/// What was seen of one call.
pub struct Seen {
    /// The exit code; none if a signal ended it.
    pub exit: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Routes that went, in the order of the listing.
    pub removed: Vec<String>,
    /// Routes that came.
    pub added: Vec<String>,
}

/// Runs one case in a private node; the error is a readable list of what differs, or why it could not be run.
pub fn run(name: &str) -> Result<(), String> {
    static WAY: OnceLock<Result<&'static [&'static str], String>> = OnceLock::new();
    let way = WAY.get_or_init(probe).clone()?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = unshared(way, program.as_os_str()).env(INNER, name).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

fn unshared(way: &[&str], program: &OsStr) -> Command {
    let mut command = start("unshare");
    command.args(way).arg("--").arg(program).stdin(Stdio::null());
    command
}

fn probe() -> Result<&'static [&'static str], String> {
    let mut refusals = Vec::new();
    for way in WAYS {
        match unshared(way, "true".as_ref()).output() {
            Ok(output) if output.status.success() => return Ok(way),
            Ok(output) => refusals.push(format!("unshare {}: {}", way.join(" "), text(&output.stderr))),
            Err(error) => refusals.push(format!("unshare (package util-linux): {error}")),
        }
    }
    Err(format!(
        "this host refuses private namespaces:\n{}\
         run as root, or allow user namespaces to ordinary users: on Ubuntu 23.10 and later \
         `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, in a container a seccomp profile that has unshare",
        refusals.concat()
    ))
}

/// Serves as the inner program, if this process is one: runs `work` with the case's name and prints what it gives.
#[expect(clippy::print_stdout, reason = "standard output is how the inner program reports")]
pub fn inside(work: &dyn Fn(&str) -> Result<Vec<String>>) -> Option<ExitCode> {
    let name = std::env::var(INNER).ok()?;
    match work(&name) {
        Ok(differences) if differences.is_empty() => return Some(ExitCode::SUCCESS),
        Ok(differences) => println!("{}", differences.join("\n")),
        Err(error) => println!("the case could not be run: {error:#}"),
    }
    Some(ExitCode::FAILURE)
}

/// Prepares node and pod, calls the plugin from the node, and looks at the pod's routes before and after.
pub fn play(case: &Case, plugin: &Path) -> Result<Seen> {
    let plugin = plugin.canonicalize().with_context(|| format!("the plugin {} is not there", plugin.display()))?;
    make_pod()?;
    for line in recording::base().iter().chain(&case.setup) {
        prepare(line).with_context(|| format!("set-up line: {line}"))?;
    }
    let before = routes()?;
    let output = call(case, &plugin)?;
    let after = routes()?;
    let without =
        |all: &[String], those: &[String]| all.iter().filter(|route| !those.contains(route)).cloned().collect();
    Ok(Seen {
        exit: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        removed: without(&before, &after),
        added: without(&after, &before),
    })
}

fn make_pod() -> Result<()> {
    let nothing = None::<&str>;
    // The command has made the mounts private; done again, for an unshare that does not.
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    mount(Some("run"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).context("cannot mount a private /run")?;
    fs::create_dir("/run/netns")?;
    File::create(POD)?;
    let node = namespace::current()?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    mount(Some("/proc/thread-self/ns/net"), POD, nothing, MsFlags::MS_BIND, nothing)?;
    namespace::enter(&node)?;
    // Bound as well, for the case in which the plugin is given its own namespace.
    File::create("/run/netns/node")?;
    mount(Some("/proc/thread-self/ns/net"), "/run/netns/node", nothing, MsFlags::MS_BIND, nothing)?;
    Ok(())
}

/// Does what a recorded line says. `ip -n` and `ip netns exec` mount a fresh sysfs, which a user namespace may refuse;
/// so this program enters the pod itself and runs the rest of the line there.
fn prepare(line: &str) -> Result<()> {
    let words = line.split_whitespace().collect::<Vec<_>>();
    match words.as_slice() {
        ["ip", "-n", "pod", rest @ ..] => in_pod("ip", rest).map(drop),
        ["ip", "netns", "exec", "pod", "sysctl", "-qw", setting] => {
            let (key, value) = setting.split_once('=').context("no = in the setting")?;
            let file = format!("/proc/sys/{}", key.replace('.', "/"));
            namespace::with_netns(namespace::open(POD)?, || {
                fs::write(&file, value).with_context(|| format!("cannot write {file}"))
            })
        }
        ["ip", rest @ .., "netns", "pod"] => finished(start("ip").args(rest).args(["netns", POD])).map(drop),
        ["ip", rest @ ..] => finished(start("ip").args(rest)).map(drop),
        _ => bail!("not a line that the replay knows"),
    }
}

fn in_pod(program: &str, arguments: &[&str]) -> Result<Output> {
    namespace::with_netns(namespace::open(POD)?, || finished(start(program).args(arguments)))
}

fn finished(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output().context("cannot start it")?;
    ensure!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    Ok(output)
}

/// The pod's routes of all tables and both families, as `ip` prints them; local and link-local ones left out, as in the
/// recording.
fn routes() -> Result<Vec<String>> {
    let mut listed = Vec::new();
    for family in ["-4", "-6"] {
        let output = in_pod("ip", &[family, "route", "show", "table", "all"])?;
        listed.extend(text(&output.stdout).lines().map(|line| line.trim().to_owned()));
    }
    let left_out = ["local ", "broadcast ", "multicast ", "anycast ", "fe80::", "ff00::"];
    listed.retain(|line| !left_out.iter().any(|start| line.starts_with(start)));
    Ok(listed)
}

fn call(case: &Case, plugin: &Path) -> Result<Output> {
    let mut child = start(plugin)
        .env_clear()
        .env("CNI_COMMAND", &case.command)
        .envs(&case.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", plugin.display()))?;
    let mut input = child.stdin.take().context("the plugin has no standard input")?;
    // A plugin may well end without reading all of it.
    let _ = input.write_all(case.input().as_bytes());
    drop(input);
    Ok(child.wait_with_output()?)
}

#[expect(clippy::disallowed_methods, reason = "a test of one small program, without the harness and its exec")]
fn start(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
