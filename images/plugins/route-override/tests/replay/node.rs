//! The private node: a user, mount and network namespace with a pod's network namespace in it.
//!
//! A process with several threads can't create a user namespace, and the test harness has threads. So each case runs in
//! another process of this program, which util-linux's `unshare` starts. That process calls [`serve_inner`] first.

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

/// The variable with the case of the inner process.
const INNER: &str = "PLUMBLINE_REPLAY_CASE";

/// The path of the pod's namespace in the recording.
const POD: &str = "/run/netns/pod";

/// The options of `unshare`, the preferred ones first. Root does not need a user namespace.
const UNSHARE_OPTIONS: [&[&str]; 2] = [&["--user", "--map-root-user", "--net", "--mount"], &["--net", "--mount"]];

/// The observed behaviour of one call.
pub struct Observed {
    /// The exit code; none if a signal ended it.
    pub exit: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Removed routes, in the order of the listing.
    pub removed: Vec<String>,
    /// Added routes.
    pub added: Vec<String>,
}

/// Runs one case in a private node. The error is a readable list of the differences, or the reason why the case could not run.
pub fn run_case(name: &str) -> Result<(), String> {
    static CHOSEN: OnceLock<Result<&'static [&'static str], String>> = OnceLock::new();
    let options = CHOSEN.get_or_init(find_unshare_options).clone()?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = unshare_command(options, program.as_os_str()).env(INNER, name).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

fn unshare_command(options: &[&str], program: &OsStr) -> Command {
    let mut command = start("unshare");
    command.args(options).arg("--").arg(program).stdin(Stdio::null());
    command
}

fn find_unshare_options() -> Result<&'static [&'static str], String> {
    let mut refusals = Vec::new();
    for options in UNSHARE_OPTIONS {
        match unshare_command(options, "true".as_ref()).output() {
            Ok(output) if output.status.success() => return Ok(options),
            Ok(output) => refusals.push(format!("unshare {}: {}", options.join(" "), text(&output.stderr))),
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

/// Serves as the inner process, if this process is one: runs `work` with the case's name and prints its result.
#[expect(clippy::print_stdout, reason = "standard output is how the inner program reports")]
pub fn serve_inner(work: &dyn Fn(&str) -> Result<Vec<String>>) -> Option<ExitCode> {
    let name = std::env::var(INNER).ok()?;
    match work(&name) {
        Ok(differences) if differences.is_empty() => return Some(ExitCode::SUCCESS),
        Ok(differences) => println!("{}", differences.join("\n")),
        Err(error) => println!("the case could not be run: {error:#}"),
    }
    Some(ExitCode::FAILURE)
}

/// Prepares node and pod, calls the plugin from the node, and lists the pod's routes before and after.
pub fn replay_case(case: &Case, plugin: &Path) -> Result<Observed> {
    let plugin = plugin.canonicalize().with_context(|| format!("the plugin {} is not there", plugin.display()))?;
    make_pod()?;
    for line in recording::base().iter().chain(&case.setup) {
        run_setup_line(line).with_context(|| format!("set-up line: {line}"))?;
    }
    let before = list_routes()?;
    let output = call_plugin(case, &plugin)?;
    let after = list_routes()?;
    let without =
        |all: &[String], those: &[String]| all.iter().filter(|route| !those.contains(route)).cloned().collect();
    Ok(Observed {
        exit: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        removed: without(&before, &after),
        added: without(&after, &before),
    })
}

fn make_pod() -> Result<()> {
    let nothing = None::<&str>;
    // `unshare` usually makes the mounts private; this makes sure.
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    mount(Some("run"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).context("cannot mount a private /run")?;
    fs::create_dir("/run/netns")?;
    File::create(POD)?;
    let node = namespace::current()?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    mount(Some("/proc/thread-self/ns/net"), POD, nothing, MsFlags::MS_BIND, nothing)?;
    namespace::enter(&node)?;
    // Bound too, for the case in which the plugin gets its own namespace.
    File::create("/run/netns/node")?;
    mount(Some("/proc/thread-self/ns/net"), "/run/netns/node", nothing, MsFlags::MS_BIND, nothing)?;
    Ok(())
}

/// Runs a recorded set-up line. `ip -n` and `ip netns exec` mount a new sysfs, which a user namespace may refuse.
/// So this program enters the pod itself and runs the rest of the line there.
fn run_setup_line(line: &str) -> Result<()> {
    let words = line.split_whitespace().collect::<Vec<_>>();
    match words.as_slice() {
        ["ip", "-n", "pod", rest @ ..] => run_in_pod("ip", rest).map(drop),
        ["ip", "netns", "exec", "pod", "sysctl", "-qw", setting] => {
            let (key, value) = setting.split_once('=').context("no = in the setting")?;
            let file = format!("/proc/sys/{}", key.replace('.', "/"));
            namespace::with_netns(namespace::open(POD)?, || {
                fs::write(&file, value).with_context(|| format!("cannot write {file}"))
            })
        }
        ["ip", rest @ .., "netns", "pod"] => run_command(start("ip").args(rest).args(["netns", POD])).map(drop),
        ["ip", rest @ ..] => run_command(start("ip").args(rest)).map(drop),
        _ => bail!("the replay does not support this line"),
    }
}

fn run_in_pod(program: &str, arguments: &[&str]) -> Result<Output> {
    namespace::with_netns(namespace::open(POD)?, || run_command(start(program).args(arguments)))
}

fn run_command(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output().context("cannot start it")?;
    ensure!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    Ok(output)
}

/// The pod's routes of all tables and both families, as `ip` prints them, without local and link-local ones, as in the
/// recording.
fn list_routes() -> Result<Vec<String>> {
    let mut listed = Vec::new();
    for family in ["-4", "-6"] {
        let output = run_in_pod("ip", &[family, "route", "show", "table", "all"])?;
        listed.extend(text(&output.stdout).lines().map(|line| line.trim().to_owned()));
    }
    let left_out = ["local ", "broadcast ", "multicast ", "anycast ", "fe80::", "ff00::"];
    listed.retain(|line| !left_out.iter().any(|start| line.starts_with(start)));
    Ok(listed)
}

fn call_plugin(case: &Case, plugin: &Path) -> Result<Output> {
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
    // A plugin may end without reading all of it.
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
