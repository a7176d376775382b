//! Running plugins, and one call of one plugin.

use std::time::Duration;

use plumbline_core::cni::{ChainError, CniCommand, CniError, Exit, PluginCall};
use plumbline_core::observe::printable;
use plumbline_core::protocol::CniRequest;
use plumbline_netlink::Errno;
use serde_json::Value;

use super::config::NetworkConfig;
use crate::error::RequestError;
use crate::node::nodes::NodeSet;
use crate::node::plugins::{PLUGIN_FOLDER, Plugins};
use crate::process::{Job, ProcessResult, Processes};
use crate::state::StateReader;

/// A plugin that prints more is killed: a result has a few kilobytes.
pub const STDOUT_CAP_BYTES: usize = 4 * 1024 * 1024;

/// How often a busy plugin is started, and the time in between (`pkg/invoke/raw_exec.go`).
const BUSY_TRIES: usize = 6;
const BUSY_INTERVAL: Duration = Duration::from_secs(1);

/// What running a plugin needs of the agent.
pub struct PluginContext<'a> {
    /// The plugins of the node.
    pub plugins: &'a Plugins,
    /// The nodes on which plugins run.
    pub nodes: &'a NodeSet,
    /// Runs the processes.
    pub processes: &'a mut Processes,
    /// Reads the state of the last pod for which a chain ran.
    pub states: &'a mut Option<StateReader>,
}

impl PluginContext<'_> {
    /// Runs plugins side by side on a node. A plugin whose file is still being written is started again, as in libcni.
    ///
    /// # Errors
    /// The lane hung up; a fault when there is no such node.
    pub fn run(&mut self, jobs: &[Job], node: usize) -> Result<Vec<ProcessResult>, RequestError> {
        let mut results = self.run_once(jobs, node)?;
        for _ in 1..BUSY_TRIES {
            if !results.iter().any(is_busy) {
                break;
            }
            self.processes.input.pause(BUSY_INTERVAL)?;
            for (result, job) in results.iter_mut().zip(jobs).filter(|(result, _)| is_busy(result)) {
                *result = self.run_once(std::slice::from_ref(job), node)?.remove(0);
            }
        }
        Ok(results)
    }

    fn run_once(&mut self, jobs: &[Job], node: usize) -> Result<Vec<ProcessResult>, RequestError> {
        let started = self.nodes.run_on_node(node, || Ok(self.processes.start(jobs)?))?;
        Ok(self.processes.finish(started)?)
    }
}

fn is_busy(result: &ProcessResult) -> bool {
    result.start_error.as_ref().and_then(std::io::Error::raw_os_error) == Some(Errno::ETXTBSY as i32)
}

/// One call of one plugin.
pub struct Call<'a> {
    /// The network.
    pub config: &'a NetworkConfig,
    /// The position of the plugin in it.
    pub position: usize,
    /// The node of the pod.
    pub node: usize,
    /// The lane's request.
    pub request: &'a CniRequest,
    /// The pod's namespace.
    pub netns: &'a str,
    /// The plugin's configuration.
    pub stdin: Value,
}

impl Call<'_> {
    /// Runs the plugin in the node's namespace (most plugins refuse to run in the pod's). Returns the record of the call, and
    /// the plugin's error, if any.
    ///
    /// # Errors
    /// The lane hung up.
    pub fn run(self, context: &mut PluginContext) -> Result<(PluginCall, Option<ChainError>), RequestError> {
        let kind = self.config.plugin_type(self.position).to_owned();
        let path = context.plugins.path(&kind);
        let env = self.environment();
        let mut record = PluginCall {
            network: self.config.name.clone(),
            position: self.position,
            plugin: kind.clone(),
            command: self.request.command,
            ifname: self.request.ifname.clone(),
            argv: vec![path.clone().unwrap_or(kind)],
            env,
            stdin: self.stdin.clone(),
            stdout: String::new(),
            stderr: String::new(),
            exit: Exit::NotStarted(String::new()),
            duration_us: 0,
            changes: None,
        };
        if path.is_none() {
            let cause = format!("its binary was not found in {}", context.plugins.describe_search());
            record.exit = Exit::NotStarted(cause.clone());
            let error = self.error(cause, None);
            return Ok((record, Some(error)));
        }
        let result = self.run_plugin(&record, context)?;
        record.stdout = String::from_utf8_lossy(&result.stdout).into_owned();
        record.stderr = String::from_utf8_lossy(&result.stderr).into_owned();
        record.duration_us = u64::try_from(result.duration.as_micros()).unwrap_or(u64::MAX);
        record.exit = result.exit.clone();
        if let Some(start) = &result.start_error {
            record.exit = Exit::NotStarted(describe_start_error(start));
        }
        let error = self.find_error(&record, &result);
        Ok((record, error))
    }

    fn environment(&self) -> Vec<(String, String)> {
        let args: Vec<String> = self.request.cni_args.iter().map(|(name, value)| format!("{name}={value}")).collect();
        [
            ("CNI_COMMAND", command_name(self.request.command).to_uppercase()),
            ("CNI_CONTAINERID", self.request.container_id.clone()),
            ("CNI_NETNS", self.netns.to_owned()),
            ("CNI_ARGS", args.join(";")),
            ("CNI_IFNAME", self.request.ifname.clone()),
            ("CNI_PATH", PLUGIN_FOLDER.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn run_plugin(&self, record: &PluginCall, context: &mut PluginContext) -> Result<ProcessResult, RequestError> {
        let (stdin, deadline) = (self.stdin.to_string().into_bytes(), Duration::from_millis(self.request.deadline_ms));
        let mut job = Job::new(record.argv.clone(), Some(stdin), deadline, STDOUT_CAP_BYTES);
        job.program.env.clone_from(&record.env);
        Ok(context.run(std::slice::from_ref(&job), self.node)?.remove(0))
    }

    /// The error of the call, in one line.
    fn find_error(&self, record: &PluginCall, result: &ProcessResult) -> Option<ChainError> {
        let mut cni = None;
        let cause = match &record.exit {
            _ if result.flooded => {
                format!("it printed more than {STDOUT_CAP_BYTES} bytes on standard output and was killed")
            }
            Exit::Code(0) => find_result_error(record)?,
            Exit::Code(code) => describe_failure(&format!("exit {code}"), record, &mut cni),
            Exit::Signal(signal) => describe_failure(&format!("ended by signal {signal}"), record, &mut cni),
            Exit::Deadline(ms) => {
                format!("still running at its deadline of {ms} ms, and killed{}", stderr_suffix(record))
            }
            Exit::NotStarted(cause) => format!("{} cannot be started: {cause}", record.argv[0]),
        };
        Some(self.error(cause, cni))
    }

    fn error(&self, cause: String, cni: Option<CniError>) -> ChainError {
        let (position, plugin) = (self.position, self.config.plugin_type(self.position).to_owned());
        let (count, name, command) = (self.config.plugins.len(), &self.config.name, command_name(self.request.command));
        // One printable line, whatever the plugin printed.
        let cause = printable(cause.trim()).replace('\n', "; ");
        let message =
            format!("plugin {} of {count} ({plugin}) of network {name} failed at {command}: {cause}", position + 1);
        ChainError { position: Some(position), plugin: Some(plugin), cni, message }
    }
}

/// The error object that plugins print; any part may be missing.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct PrintedError {
    code: u32,
    msg: String,
    details: String,
}

/// An ADD that exits 0 must print a result object (specification, section 5).
fn find_result_error(record: &PluginCall) -> Option<String> {
    match serde_json::from_str::<Value>(&record.stdout) {
        _ if record.command != CniCommand::Add => None,
        Ok(Value::Object(_)) => None,
        _ if record.stdout.trim().is_empty() => Some("exit 0 without a result on standard output".to_owned()),
        _ => Some(format!("exit 0, and no result on standard output but {}", quote_start(&record.stdout))),
    }
}

/// Describes a failure by what the plugin printed; `cni` gets the error that it printed.
fn describe_failure(how: &str, record: &PluginCall, cni: &mut Option<CniError>) -> String {
    if record.stdout.trim().is_empty() {
        return format!("{how}, nothing on standard output{}", stderr_suffix(record));
    }
    let Ok(PrintedError { code, msg, details }) = serde_json::from_str(&record.stdout) else {
        return format!("{how}, and no CNI error on standard output but {}", quote_start(&record.stdout));
    };
    let suffix = if details.is_empty() { String::new() } else { format!("; {details}") };
    let text = format!("{how}, CNI code {code}: {msg}{suffix}");
    *cni = Some(CniError { code, msg, details });
    text
}

/// The command's name in lower case.
fn command_name(command: CniCommand) -> &'static str {
    match command {
        CniCommand::Add => "add",
        CniCommand::Check => "check",
        CniCommand::Del => "del",
    }
}

/// Why an existing file does not start.
pub fn describe_start_error(error: &std::io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => {
            "its interpreter or dynamic loader is not on the node (static binaries need none)".to_owned()
        }
        Some(Errno::ENOEXEC) => "exec format error: it is built for another architecture, or is no program".to_owned(),
        Some(Errno::EACCES) => {
            "permission denied: it is not executable, or its filesystem is mounted noexec".to_owned()
        }
        _ => error.to_string(),
    }
}

fn stderr_suffix(record: &PluginCall) -> String {
    match record.stderr.trim() {
        "" => String::new(),
        text => format!("; standard error: {}", quote_start(text)),
    }
}

/// The start of a text, quoted.
fn quote_start(text: &str) -> String {
    const MAX_CHARS: usize = 400;
    let cut: String = text.trim().chars().take(MAX_CHARS).collect();
    let more = if cut.len() < text.trim().len() { format!(" ... ({} bytes)", text.len()) } else { String::new() };
    format!("{cut:?}{more}")
}
