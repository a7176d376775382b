//! `must-run.yaml`: how many tests of each lane must have run, and which lacks of a host may skip one.

use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The file: by kind of host.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MustRun {
    /// By kind of host: `github` for GitHub's runners, `any` for all others.
    pub hosts: BTreeMap<String, Host>,
}

/// What holds on one kind of host.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// By test binary: how many tests must have run and passed at least.
    pub least: BTreeMap<String, usize>,
    /// Those of them that have a lane, or a profile of one, by its name: what it offers must have been noted.
    pub beds: Vec<String>,
    /// Capabilities that may be absent, so that scenarios which require them are skipped.
    #[serde(default)]
    pub may_lack: Vec<String>,
}

impl MustRun {
    /// Reads the file below the project's folder.
    ///
    /// # Errors
    /// When it is not there or not as it must be.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("suites/must-run.yaml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_yaml::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
    }

    /// What holds on this kind of host.
    ///
    /// # Errors
    /// When the file does not have it.
    pub fn host(&self, kind: &str) -> anyhow::Result<&Host> {
        self.hosts.get(kind).with_context(|| format!("suites/must-run.yaml has nothing of hosts of kind {kind}"))
    }
}
