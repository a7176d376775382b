//! One call of one plugin.

use std::time::Duration;

use plumbline_core::cni::{ChainError, CniCommand, CniError, Exit, PluginCall};
use plumbline_core::observe::printable;
use plumbline_core::protocol::CniRequest;
use plumbline_netlink::Errno;
use serde_json::Value;

use super::config::NetworkConfig;
use super::{FOLDER, busy};
use crate::place::Place;
use crate::process::{Ended, Job};
use crate::spawn::Program;
use crate::trouble::Trouble;

/// A plugin that prints more is killed: results are a few kilobytes.
pub const STDOUT_CAP_BYTES: usize = 4 * 1024 * 1024;

/// What is called.
pub struct Call<'a> {
    /// The network.
    pub config: &'a NetworkConfig,
    /// Which plugin of it.
    pub position: usize,
    /// The node that the pod is on.
    pub node: usize,
    /// The lane's request.
    pub request: &'a CniRequest,
    /// The pod's namespace.
    pub netns: &'a str,
    /// The plugin's configuration.
    pub stdin: Value,
}

impl Call<'_> {
    /// Makes the call: the record, and what the plugin did wrong, if anything. The plugin runs in the node's namespace:
    /// inside the pod's it would refuse (upstream.md, section 7).
    ///
    /// # Errors
    /// The end of the talk.
    pub fn make(self, place: &mut Place) -> Result<(PluginCall, Option<ChainError>), Trouble> {
        let kind = self.config.kind(self.position).to_owned();
        let plugins = place.plugins.clone().unwrap_or_default();
        let path = plugins.path(&kind);
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
        };
        if path.is_none() {
            let cause = format!("the plugin's binary was not found in {}", plugins.searched());
            record.exit = Exit::NotStarted(cause.clone());
            let error = self.error(cause, None);
            return Ok((record, Some(error)));
        }
        let ended = self.start(&record, place)?;
        record.stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
        record.stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        record.duration_us = u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX);
        record.exit = ended.exit.clone();
        if let Some(start) = &ended.start_error {
            record.exit = Exit::NotStarted(start_trouble(start));
        }
        let error = self.trouble(&record, &ended);
        Ok((record, error))
    }

    fn environment(&self) -> Vec<(String, String)> {
        let args: Vec<String> = self.request.cni_args.iter().map(|(name, value)| format!("{name}={value}")).collect();
        [
            ("CNI_COMMAND", word(self.request.command).to_uppercase()),
            ("CNI_CONTAINERID", self.request.container_id.clone()),
            ("CNI_NETNS", self.netns.to_owned()),
            ("CNI_ARGS", args.join(";")),
            ("CNI_IFNAME", self.request.ifname.clone()),
            ("CNI_PATH", FOLDER.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn start(&self, record: &PluginCall, place: &mut Place) -> Result<Ended, Trouble> {
        let job = Job {
            program: Program { argv: record.argv.clone(), env: record.env.clone(), fed: true },
            stdin: self.stdin.to_string().into_bytes(),
            deadline: Duration::from_millis(self.request.deadline_ms),
            stdout_cap: STDOUT_CAP_BYTES,
        };
        Ok(busy::run(std::slice::from_ref(&job), self.node, place)?.remove(0))
    }

    /// What the plugin did wrong, in one line.
    fn trouble(&self, record: &PluginCall, ended: &Ended) -> Option<ChainError> {
        if ended.flooded {
            return Some(self.error(
                format!("it printed more than {STDOUT_CAP_BYTES} bytes on standard output and was killed"),
                None,
            ));
        }
        let how = match &record.exit {
            Exit::Code(0) => return self.bad_result(record),
            Exit::Code(code) => format!("exit {code}"),
            Exit::Signal(signal) => format!("ended by signal {signal}"),
            Exit::Deadline(ms) => {
                return Some(
                    self.error(format!("still running at its deadline of {ms} ms, and killed{}", heard(record)), None),
                );
            }
            Exit::NotStarted(why) => {
                return Some(self.error(format!("{} could not be started: {why}", record.argv[0]), None));
            }
        };
        if record.stdout.trim().is_empty() {
            return Some(self.error(format!("{how}, nothing on standard output{}", heard(record)), None));
        }
        match serde_json::from_str::<Told>(&record.stdout) {
            Ok(told) => {
                let details = if told.details.is_empty() { String::new() } else { format!("; {}", told.details) };
                let text = format!("{how}, CNI code {}: {}{details}", told.code, told.msg);
                Some(self.error(text, Some(CniError { code: told.code, msg: told.msg, details: told.details })))
            }
            Err(_) => Some(
                self.error(format!("{how}, and no CNI error on standard output but {}", shown(&record.stdout)), None),
            ),
        }
    }

    /// An ADD that exits 0 owes a result object (spec, section 5).
    fn bad_result(&self, record: &PluginCall) -> Option<ChainError> {
        if record.command != CniCommand::Add {
            return None;
        }
        match serde_json::from_str::<Value>(&record.stdout) {
            Ok(Value::Object(_)) => None,
            _ if record.stdout.trim().is_empty() => {
                Some(self.error("exit 0 without a result on standard output".to_owned(), None))
            }
            _ => Some(
                self.error(format!("exit 0, and no result on standard output but {}", shown(&record.stdout)), None),
            ),
        }
    }

    fn error(&self, cause: String, cni: Option<CniError>) -> ChainError {
        let (position, plugin) = (self.position, self.config.kind(self.position).to_owned());
        let (of, name, command) = (self.config.plugins.len(), &self.config.name, word(self.request.command));
        // One line for people, whatever a plugin puts into its own words.
        let cause = printable(cause.trim()).replace('\n', "; ");
        let message =
            format!("link {} of {of} of network {name} (plugin {plugin}) failed at {command}: {cause}", position + 1);
        ChainError { position: Some(position), plugin: Some(plugin), cni, message }
    }
}

/// The error object as plugins print it: any part may be missing.
#[derive(serde::Deserialize)]
struct Told {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    details: String,
}

/// The command's name, lower case.
#[must_use]
pub fn word(command: CniCommand) -> &'static str {
    match command {
        CniCommand::Add => "add",
        CniCommand::Check => "check",
        CniCommand::Del => "del",
    }
}

/// Why a file that is there does not start.
#[must_use]
pub fn start_trouble(error: &std::io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => {
            "its interpreter or dynamic loader is not on the node (static binaries need none)".to_owned()
        }
        Some(Errno::ENOEXEC) => "exec format error: it is built for another architecture, or no program".to_owned(),
        Some(Errno::EACCES) => {
            "permission denied: it is not executable, or lies on a filesystem mounted noexec".to_owned()
        }
        _ => error.to_string(),
    }
}

fn heard(record: &PluginCall) -> String {
    match record.stderr.trim() {
        "" => String::new(),
        text => format!("; standard error: {}", shown(text)),
    }
}

/// A text in one line, cut.
fn shown(text: &str) -> String {
    const LONGEST: usize = 400;
    let cut: String = text.trim().chars().take(LONGEST).collect();
    let more = if cut.len() < text.trim().len() { format!(" ... ({} bytes)", text.len()) } else { String::new() };
    format!("{cut:?}{more}")
}
