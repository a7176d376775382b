//! One call: the real plugin and its result, and the namespaces of pod and node.

use ipnet::IpNet;
use plumbline_netlink::packet::RouteNetlinkMessage;
use plumbline_netlink::packet::address::AddressMessage;
use plumbline_netlink::packet::route::RouteMessage;
use plumbline_netlink::{Errno, Error, Netlink, address, link, namespace, route};
use serde_json::Value;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Why a mutant was not applied.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It needs what this host lacks.
    #[error("{0}")]
    Skipped(String),
    /// There is nothing to bend, or the kernel refuses.
    #[error("{0}")]
    Failed(String),
}

impl Problem {
    /// There is nothing to bend, or something refuses.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The outcome of bending.
pub type Done<T = ()> = Result<T, Problem>;

/// What a plugin printed, and its exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Exit code; 255 for a signal.
    pub code: u8,
}

/// One call of a plugin.
pub struct Call {
    /// `CNI_COMMAND`.
    pub command: String,
    /// `CNI_IFNAME`.
    pub interface: String,
    /// `CNI_CONTAINERID`.
    pub container: String,
    /// The configuration.
    pub config: Value,
    /// What the real plugin printed; empty before it ran.
    pub output: Output,
    /// The result; null where the plugin gave none. What is changed here is printed.
    pub result: Value,
    /// The node's namespace, which is this program's own.
    pub node: Netlink,
    printed: Value,
    input: Vec<u8>,
    real: PathBuf,
    pod: Option<(OwnedFd, Netlink)>,
}

impl Call {
    /// Reads the call of this process's environment.
    ///
    /// # Errors
    /// When a namespace can't be opened.
    pub fn read(command: &str, real: PathBuf, input: Vec<u8>) -> Done<Self> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let netns = variable("CNI_NETNS");
        // DEL may come after the namespace.
        let pod = match namespace::open(&netns) {
            Ok(opened) => {
                let netlink = Netlink::open_in(&opened)?;
                Some((opened, netlink))
            }
            Err(_) => None,
        };
        Ok(Self {
            command: command.to_owned(),
            interface: variable("CNI_IFNAME"),
            container: variable("CNI_CONTAINERID"),
            config: serde_json::from_slice(&input).unwrap_or_default(),
            output: Output::default(),
            result: Value::Null,
            node: Netlink::open()?,
            printed: Value::Null,
            input,
            real,
            pod,
        })
    }

    /// Runs the real plugin with this process's environment, and reads its result.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run(&mut self) -> Done {
        let shown = self.real.display();
        let mut command = new_command(&self.real);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| Problem::failed(format!("start {shown}: {error}")))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A plugin that does not read its input closes the pipe.
            let _ = stdin.write_all(&self.input);
        }
        let output = child.wait_with_output()?;
        let code = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
        self.printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
        self.result = self.printed.clone();
        self.output = Output { stdout: output.stdout, stderr: output.stderr, code };
        Ok(())
    }

    /// What is to be printed: the real plugin's own text, unless the result was changed.
    pub fn into_output(mut self) -> Output {
        if self.result.is_null() && !self.printed.is_null() {
            self.output.stdout.clear();
        } else if self.result != self.printed {
            self.output.stdout = format!("{:#}\n", self.result).into_bytes();
        }
        self.output
    }

    /// The pod's namespace.
    ///
    /// # Errors
    /// When there is none.
    pub fn pod(&mut self) -> Done<&mut Netlink> {
        self.pod.as_mut().map(|(_, netlink)| netlink).ok_or_else(|| Problem::failed("the call has no namespace"))
    }

    /// Runs work in the pod's namespace, such as another program.
    ///
    /// # Errors
    /// Those of the work; when the namespace can't be entered.
    pub fn in_pod<T>(&self, work: impl FnOnce() -> Done<T>) -> Done<T> {
        let (opened, _) = self.pod.as_ref().ok_or_else(|| Problem::failed("the call has no namespace"))?;
        namespace::with_netns(opened, work)
    }

    /// The index of the interface in the pod.
    ///
    /// # Errors
    /// When the pod has none of that name.
    pub fn index(&mut self) -> Done<u32> {
        let name = self.interface.clone();
        Ok(self.pod()?.link_index(&name)?)
    }

    /// Another interface of the pod that is no loopback.
    ///
    /// # Errors
    /// When there is none.
    pub fn other_interface(&mut self) -> Done<(u32, String)> {
        let own = self.interface.clone();
        let links = self.pod()?.links()?;
        let others = links.iter().map(|message| (message.header.index, link::name(message).to_owned()));
        let mut others = others.filter(|(_, name)| *name != "lo" && *name != own);
        others.next().ok_or_else(|| Problem::failed("the pod has no other interface"))
    }

    /// The addresses of the interface that are not link-local.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn addresses(&mut self) -> Done<Vec<IpNet>> {
        let index = self.index()?;
        let listed = self.pod()?.addresses()?;
        let of_link = listed.iter().filter(|message| message.header.index == index).filter_map(read_address);
        Ok(of_link.filter(|net| !matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local())).collect())
    }

    /// The first address of a family.
    ///
    /// # Errors
    /// When the interface has none.
    pub fn address(&mut self, v6: bool) -> Done<IpNet> {
        let found = self.addresses()?.into_iter().find(|net| net.addr().is_ipv6() == v6);
        found.ok_or_else(|| Problem::failed(format!("{} has no such address", self.interface)))
    }

    /// The IPv4 routes of the interface in the main table that have a gateway.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn routes(&mut self) -> Done<Vec<RouteMessage>> {
        let index = self.index()?;
        let mut listed = self.pod()?.routes()?;
        listed.retain(|one| {
            let is_v4 = route::destination(one).is_some_and(|net| net.addr().is_ipv4());
            is_v4
                && route::link(one) == Some(index)
                && route::gateway(one).is_some()
                && route::table(one) == route::MAIN_TABLE
        });
        Ok(listed)
    }

    /// The route that mutants bend: that of the greatest destination. route-override deletes or adds others.
    ///
    /// # Errors
    /// When the interface has no route with a gateway.
    pub fn route(&mut self) -> Done<RouteMessage> {
        let found = self.routes()?.into_iter().max_by_key(route::destination);
        found.ok_or_else(|| Problem::failed(format!("{} has no route with a gateway", self.interface)))
    }

    /// Adds routes again that were lost with an address or with the link's state.
    ///
    /// # Errors
    /// When the kernel refuses one.
    pub fn restore_routes(&mut self, routes: &[RouteMessage]) -> Done {
        for lost in routes {
            match self.pod()?.request("restore a route", RouteNetlinkMessage::NewRoute(lost.clone()), CREATE) {
                Err(error) if error.is(Errno::EEXIST) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Writes a sysctl of the pod by its path below `/proc/sys`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_pod_sysctl(&self, path: &str, value: &str) -> Done {
        self.in_pod(|| set_sysctl(path, value))
    }

    /// The routes of the result, as a list that can be changed.
    pub fn result_routes(&mut self) -> &mut Vec<Value> {
        list_of(&mut self.result, "routes")
    }

    /// The addresses of the result, as a list that can be changed.
    pub fn result_addresses(&mut self) -> &mut Vec<Value> {
        list_of(&mut self.result, "ips")
    }
}

/// `NLM_F_CREATE | NLM_F_EXCL` (`linux/netlink.h`).
pub const CREATE: u16 = 0x600;

fn list_of<'a>(result: &'a mut Value, key: &str) -> &'a mut Vec<Value> {
    if !result.is_object() {
        *result = Value::Object(serde_json::Map::new());
    }
    let list = &mut result[key];
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    match list {
        Value::Array(list) => list,
        _ => unreachable!("it was made a list"),
    }
}

fn read_address(message: &AddressMessage) -> Option<IpNet> {
    IpNet::new(address::local(message)?, message.header.prefix_len).ok()
}

/// Writes a sysctl of the current namespace by its path below `/proc/sys`.
///
/// # Errors
/// When the kernel refuses.
pub fn set_sysctl(path: &str, value: &str) -> Done {
    let written = std::fs::write(format!("/proc/sys/{path}"), value);
    written.map_err(|error| Problem::failed(format!("write sysctl {path}: {error}")))
}

/// Runs a program of the node with standard input, and returns its standard output.
///
/// # Errors
/// [`Problem::Skipped`] when the node has no such program; its own error.
pub fn run_program(argv: &[&str], input: &str) -> Done<String> {
    let (program, arguments) = argv.split_first().ok_or_else(|| Problem::failed("no program"))?;
    let mut command = new_command(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Problem::Skipped(format!("this host has no {program}")));
        }
        Err(error) => return Err(Problem::failed(format!("start {program}: {error}"))),
    };
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            Err(Problem::failed(format!("{}: {}", argv.join(" "), String::from_utf8_lossy(&output.stderr).trim())))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a plugin runs on nodes, below the harness and its exec")]
fn new_command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}
