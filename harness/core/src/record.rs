//! What stands in a plugin's place: the agent's mode `record`, which runs the real plugin and notes down each call, and
//! which can act faults that no plugin at hand has.
//!
//! It is put into a `CNI_PATH` under the plugin's name, with a [`Recorder`] as JSON beside it, in `NAME.record.json`. It
//! appends one [`Recorded`] a line to its log.

use crate::cni::Exit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the file beside the wrapper is called: the plugin's name and this.
pub const RECORDER_SUFFIX: &str = ".record.json";

/// What the wrapper does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recorder {
    /// The real plugin: its path, or a name beside the wrapper. None where every call is acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The log, by path on the node; it is appended to.
    pub log: String,
    /// Faults; the first that fits a call is acted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<Act>,
}

/// A fault, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Act {
    /// The `CNI_COMMAND`s it is for; none means every one but VERSION, so that the plugin is taken for a plugin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// The `CNI_IFNAME` it is for; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifname: Option<String>,
    /// Whether the real plugin does its work first; what it printed and how it ended is then not passed on.
    #[serde(default)]
    pub after: bool,
    /// What is done.
    pub what: Deed,
}

/// What a wrapper does in the plugin's stead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Deed {
    /// Prints and exits.
    Exit {
        /// The exit code.
        code: u8,
        /// On standard output, as it is.
        #[serde(default)]
        stdout: String,
        /// On standard error, as it is.
        #[serde(default)]
        stderr: String,
    },
    /// Ends itself by a signal, by its number.
    Signal(i32),
    /// Stays until it is killed.
    Hang,
}

/// One call, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// When it began, in microseconds since the Unix epoch.
    pub at_us: u64,
    /// Arguments, the program's own name first.
    pub argv: Vec<String>,
    /// The variables whose names begin with `CNI_`, and `PATH`.
    pub env: BTreeMap<String, String>,
    /// Standard input.
    pub stdin: String,
    /// Standard output of the real plugin; what was acted where it was not run.
    pub stdout: String,
    /// Standard error, as standard output.
    pub stderr: String,
    /// How the real plugin ended; none where it was not run.
    pub exit: Option<Exit>,
    /// How long the real plugin ran, in microseconds.
    pub duration_us: u64,
    /// The fault that was acted, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted: Option<Deed>,
}

impl Recorder {
    /// The fault for a call, by its `CNI_COMMAND` and `CNI_IFNAME`.
    #[must_use]
    pub fn act(&self, command: &str, ifname: &str) -> Option<&Act> {
        self.acts.iter().find(|act| {
            let commands = match act.commands.is_empty() {
                true => command != "VERSION" && !command.is_empty(),
                false => act.commands.iter().any(|one| one == command),
            };
            commands && act.ifname.as_ref().is_none_or(|wanted| wanted == ifname)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_found_by_command_and_interface() {
        let text = r#"{"log": "/l", "acts": [{"commands": ["ADD"], "ifname": "eth1", "what": {"exit": {"code": 2}}},
            {"what": "hang"}]}"#;
        let recorder: Recorder = serde_json::from_str(text).unwrap();
        let panics = Deed::Exit { code: 2, stdout: String::new(), stderr: String::new() };
        let what = |command: &str, ifname: &str| recorder.act(command, ifname).map(|act| act.what.clone());
        assert_eq!(what("ADD", "eth1"), Some(panics));
        assert_eq!((what("ADD", "eth2"), what("DEL", "eth1")), (Some(Deed::Hang), Some(Deed::Hang)));
        assert_eq!((what("VERSION", ""), what("", "")), (None, None), "it is taken for a plugin");
    }
}
