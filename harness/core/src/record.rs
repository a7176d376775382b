//! The agent's mode `record`, which runs instead of a plugin: it records each call of the real plugin, and can inject
//! faults that no real plugin has.
//!
//! It is installed in a `CNI_PATH` under the plugin's name, with a [`Recorder`] as JSON beside it, in `NAME.record.json`. It
//! appends each [`RecordedCall`] as a line to its log.

use crate::cni::Exit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The end of the file's name, after the plugin's name.
pub const RECORDER_SUFFIX: &str = ".record.json";

/// The settings of the recorder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recorder {
    /// The real plugin: its path, or a name beside the recorder. None where every call has a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The path of the log on the node.
    pub log: String,
    /// Faults; the first rule that matches a call is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultRule>,
}

/// A fault, and the calls that it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    /// The `CNI_COMMAND`s that it is for; none means all but VERSION, which then still shows a plugin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// The `CNI_IFNAME` that it is for; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifname: Option<String>,
    /// Whether the real plugin runs first; its output and exit are not passed on then.
    #[serde(default)]
    pub after: bool,
    /// The fault.
    pub fault: InjectedFault,
}

/// What the recorder does instead of the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum InjectedFault {
    /// Prints and exits.
    Exit {
        /// The exit code.
        code: u8,
        /// Standard output.
        #[serde(default)]
        stdout: String,
        /// Standard error.
        #[serde(default)]
        stderr: String,
    },
    /// Ends by the signal of this number.
    Signal(i32),
    /// Runs until it is killed.
    Hang,
}

/// One call of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedCall {
    /// The start, in microseconds since the Unix epoch.
    pub at_us: u64,
    /// Arguments, the program's own name first.
    pub argv: Vec<String>,
    /// The variables whose names begin with `CNI_`, and `PATH`.
    pub env: BTreeMap<String, String>,
    /// Standard input.
    pub stdin: String,
    /// Standard output of the real plugin, or of the fault where the plugin did not run.
    pub stdout: String,
    /// Standard error, as standard output.
    pub stderr: String,
    /// How the real plugin ended; none where it did not run.
    pub exit: Option<Exit>,
    /// How long the real plugin ran, in microseconds.
    pub duration_us: u64,
    /// The injected fault, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injected: Option<InjectedFault>,
}

impl Recorder {
    /// Finds the fault for a call by its `CNI_COMMAND` and `CNI_IFNAME`.
    pub fn find_fault(&self, command: &str, ifname: &str) -> Option<&FaultRule> {
        self.faults.iter().find(|rule| {
            let commands = match rule.commands.is_empty() {
                true => command != "VERSION" && !command.is_empty(),
                false => rule.commands.iter().any(|one| one == command),
            };
            commands && rule.ifname.as_ref().is_none_or(|wanted| wanted == ifname)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_found_by_command_and_interface() {
        let text = r#"{"log": "/l", "faults": [{"commands": ["ADD"], "ifname": "eth1", "fault": {"exit": {"code": 2}}},
            {"fault": "hang"}]}"#;
        let recorder: Recorder = serde_json::from_str(text).unwrap();
        let panics = InjectedFault::Exit { code: 2, stdout: String::new(), stderr: String::new() };
        let fault = |command: &str, ifname: &str| recorder.find_fault(command, ifname).map(|rule| rule.fault.clone());
        assert_eq!(fault("ADD", "eth1"), Some(panics));
        assert_eq!(
            (fault("ADD", "eth2"), fault("DEL", "eth1")),
            (Some(InjectedFault::Hang), Some(InjectedFault::Hang))
        );
        assert_eq!((fault("VERSION", ""), fault("", "")), (None, None), "VERSION is answered by the plugin");
    }
}
