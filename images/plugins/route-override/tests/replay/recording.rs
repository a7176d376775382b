//! The recorded cases.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

const UPSTREAM: &str = include_str!("../../../../../suites/golden/route-override.json");
const OWN: &str = include_str!("../own.json");

/// A call of the plugin in a prepared pod namespace, and its outcome.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A unique name.
    pub id: String,
    /// What the case is about.
    pub what: String,
    /// `CNI_COMMAND`.
    pub command: String,
    /// The rest of the environment.
    pub env: BTreeMap<String, String>,
    /// Commands that prepare the pod namespace, after those of all cases.
    pub setup: Vec<String>,
    /// Standard input: an object, or a string that is passed unchanged.
    pub stdin: Value,
    /// The exit code.
    pub exit: i32,
    /// Standard output: an object, or an empty string.
    pub stdout: Value,
    /// Standard error.
    pub stderr: String,
    /// Removed routes, as `ip route` prints them.
    pub routes_removed: Vec<String>,
    /// Added routes.
    pub routes_added: Vec<String>,
}

impl Case {
    /// Whether upstream's process ended with a Go panic.
    pub fn panics(&self) -> bool {
        self.exit == 2 && self.stderr.starts_with("panic: ")
    }

    /// Standard input as text.
    pub fn input(&self) -> String {
        match &self.stdin {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        }
    }
}

#[derive(Deserialize)]
struct Recording {
    #[serde(rename = "note")]
    _note: String,
    base: Vec<String>,
    cases: Vec<Case>,
}

fn read(text: &str) -> Recording {
    serde_json::from_str(text).expect("a recording is JSON of the form above")
}

/// The commands that prepare node and pod for every case.
pub fn base() -> Vec<String> {
    read(UPSTREAM).base
}

/// The recorded calls of upstream's binary.
pub fn upstream() -> Vec<Case> {
    read(UPSTREAM).cases
}

/// The further cases of our own plugin.
pub fn own() -> Vec<Case> {
    read(OWN).cases
}
