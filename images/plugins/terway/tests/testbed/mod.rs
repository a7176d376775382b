//! The private node of a case, and calls of the plugin on it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Failed;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use plumbline_netlink::namespace;
use serde_json::{Value, json};

/// The plugin's file on the node.
pub const SETTINGS: &str = "/var/run/eni/plumbline-standin.json";
/// Only IPv4.
pub const PLAIN: &str = r#"{"eni":{"link":"eth1","gateway":"10.77.0.1","gateway6":null,"table":1001},
    "pool":"10.77.0.16/28","pool6":null,"subnet":"10.77.0.0/24","leases":"/var/run/eni/plumbline-leases"}"#;
/// Both families.
pub const DUAL: &str = r#"{"eni":{"link":"eth1","gateway":"10.77.0.1","gateway6":"fd77::1","table":1001},
    "pool":"10.77.0.16/28","pool6":"fd77::10/124","subnet":"10.77.0.0/24","subnet6":"fd77::/64",
    "leases":"/var/run/eni/plumbline-leases"}"#;

/// The variable with the case of the inner process.
const INNER: &str = "PLUMBLINE_TERWAY_CASE";
const POD: &str = "/run/netns/pod";
const GATEWAY: &str = "/run/netns/gateway";
const ROUTER: &str = "/run/netns/router";

/// A case: its name and its function.
pub type Case = (&'static str, fn() -> Result<()>);

/// Runs the case with this name in a private node, in another process of this program.
pub fn run_case(name: &str) -> Result<(), Failed> {
    let program = std::env::current_exe()?;
    let mut command = start("unshare");
    command.args(["--user", "--map-root-user", "--net", "--mount"]).arg(program).env(INNER, name).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("cannot start unshare (package util-linux): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// Serves as the inner process, if this process is one.
#[expect(clippy::print_stderr, reason = "standard error is how the inner program reports")]
pub fn serve_inner(cases: &[Case]) -> Option<ExitCode> {
    let name = std::env::var(INNER).ok()?;
    let outcome = match cases.iter().find(|(known, _)| *known == name) {
        Some((_, case)) => case(),
        None => Err(anyhow::anyhow!("there is no case {name}")),
    };
    if let Err(error) = outcome {
        eprintln!("{error:#}");
        return Some(ExitCode::FAILURE);
    }
    Some(ExitCode::SUCCESS)
}

/// The outcome of a call of the plugin.
#[derive(Debug)]
pub struct Called {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Called {
    /// The result of a call that must succeed.
    pub fn answer(self) -> Result<Value> {
        ensure!(self.code == Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).with_context(|| format!("{self:?}"))
    }

    /// The error of a call that must fail with exit code 1.
    pub fn failure(self) -> Result<Value> {
        ensure!(self.code == Some(1), "{self:?}");
        serde_json::from_str(&self.stdout).with_context(|| format!("{self:?}"))
    }
}

/// A node with a router behind `eth0` and a gateway behind the ENI, and one pod.
pub struct TestNode;

impl TestNode {
    /// The node with only IPv4.
    pub fn make() -> Result<Self> {
        Self::with(PLAIN)
    }

    /// The node with these settings.
    pub fn with(settings: &str) -> Result<Self> {
        let nothing = None::<&str>;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
        mount(Some("run"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).context("cannot mount a private /run")?;
        fs::create_dir("/run/netns")?;
        for path in [POD, GATEWAY, ROUTER] {
            make_namespace(path)?;
        }
        let lines = [
            "link set lo up",
            "link add eth0 type veth peer name far",
            "link set far netns /run/netns/router",
            "link add eth1 type veth peer name far",
            "link set far netns /run/netns/gateway",
            "addr add 10.66.0.10/24 dev eth0",
            "addr add fd66::10/64 dev eth0 nodad",
            "link set eth0 up",
            "route add default via 10.66.0.1",
            "-6 route add default via fd66::1",
        ];
        lines.iter().try_for_each(|line| node(&format!("ip {line}")).map(drop))?;
        run_within(GATEWAY, "ip addr add 10.77.0.1/24 dev far")?;
        run_within(GATEWAY, "ip addr add fd77::1/64 dev far nodad")?;
        run_within(GATEWAY, "ip link set far up")?;
        run_within(ROUTER, "ip link set far up")?;
        fs::create_dir_all("/var/run/eni")?;
        fs::write(SETTINGS, settings)?;
        Ok(Self)
    }

    /// Removes the path of the pod's namespace, as a runtime does that deletes the namespace before DEL.
    pub fn remove_namespace_path(&self) {
        let _ = umount2(POD, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(POD);
        // The namespace has no process, so the kernel deletes it shortly after.
        let _ = File::create(POD);
        let _ = fs::remove_file(POD);
    }

    /// Runs a command in the pod and returns its output.
    pub fn pod(&self, line: &str) -> Result<String> {
        run_within(POD, line)
    }

    /// Connects to the pod from the ENI's gateway. No process listens on the port, so the pod itself refuses the connection.
    pub fn connect_from_gateway(&self, address: &str) -> Result<()> {
        let to = SocketAddr::new(address.parse()?, 9);
        let error = namespace::with_netns(namespace::open(GATEWAY)?, || -> Result<_> {
            Ok(TcpStream::connect_timeout(&to, Duration::from_secs(5)).err())
        })?;
        match error {
            Some(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            other => bail!("expected {address} to refuse a connection from the ENI's gateway, found {other:?}"),
        }
    }

    /// Calls the plugin for the pod.
    pub fn call(&self, command: &str, version: &str) -> Result<Called> {
        self.call_with(command, version, &[])
    }

    /// The same with other variables.
    pub fn call_with(&self, command: &str, version: &str, variables: &[(&str, &str)]) -> Result<Called> {
        let built = std::env::var_os("NEXTEST_BIN_EXE_terway");
        let plugin = built.unwrap_or_else(|| env!("CARGO_BIN_EXE_terway").into());
        let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=sandbox-1";
        let mut process = start(plugin);
        process.env_clear().env("CNI_COMMAND", command).env("CNI_CONTAINERID", "one").env("CNI_NETNS", POD);
        process.env("CNI_IFNAME", "eth0").env("CNI_PATH", "/").env("CNI_ARGS", args);
        process.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().context("cannot start the plugin")?;
        let config = json!({
            "cniVersion": version, "name": "terway", "type": "terway", "capabilities": { "bandwidth": true },
        });
        // A plugin may end without reading all of it.
        let _ = child.stdin.take().context("no standard input")?.write_all(config.to_string().as_bytes());
        let output = child.wait_with_output()?;
        let (code, stdout, stderr) = (output.status.code(), text(&output.stdout), text(&output.stderr));
        Ok(Called { code, stdout, stderr })
    }
}

/// The node's rules of a family, as `ip` prints them.
pub fn rules(family: u8) -> Result<String> {
    node(&format!("ip -{family} rule"))
}

/// The leases on the node, by address.
pub fn leases() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/var/run/eni/plumbline-leases")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| !name.starts_with('.'));
    Ok(names)
}

/// Runs a command on the node and returns its output.
pub fn node(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    let output = start(words.next().context("no command")?).args(words).stdin(Stdio::null()).output()?;
    check_output(line, &output)
}

fn run_within(path: &str, line: &str) -> Result<String> {
    namespace::with_netns(namespace::open(path)?, || node(line))
}

fn check_output(line: &str, output: &Output) -> Result<String> {
    ensure!(output.status.success(), "{line}: {}", text(&output.stderr));
    Ok(text(&output.stdout))
}

fn make_namespace(path: &str) -> Result<()> {
    File::create(path)?;
    let home = namespace::current()?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    mount(Some("/proc/thread-self/ns/net"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    node("ip link set lo up")?;
    namespace::enter(&home)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a test of one small program, without the harness and its exec")]
fn start(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
