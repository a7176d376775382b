//! The record of an engine that we started. It belongs to the user's machine, not to a run: it is left running.

use crate::error::{AtStage, TestbedError};
use crate::journal;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// An engine that we started by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineRecord {
    /// Where it listens, as in DOCKER_HOST.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// Its start time in clock ticks since boot, so that a reused id is not mistaken for it.
    pub start: u64,
    /// Where its outputs went.
    pub log: PathBuf,
    /// Packages that we installed for it, `name=version`.
    #[serde(default)]
    pub packages: Vec<String>,
}

impl EngineRecord {
    /// Whether that very process still runs.
    pub fn alive(&self) -> bool {
        journal::alive(self.pid, self.start)
    }

    /// Reads the record in a state folder; none when we never started one. One that can't be read counts as none.
    pub(super) fn read(state: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(file(state)).ok()?).ok()
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, state: &Path) -> Result<(), TestbedError> {
        let path = file(state);
        let stage = format!("write {}", path.display());
        let beside = path.with_extension("new");
        std::fs::create_dir_all(folder(state)).at_stage(&stage)?;
        std::fs::write(&beside, serde_json::to_vec_pretty(self).at_stage(&stage)?).at_stage(&stage)?;
        std::fs::rename(&beside, &path).at_stage(&stage)
    }

    /// Takes it away.
    pub(super) fn forget(state: &Path) -> Result<(), TestbedError> {
        journal::remove_file(&file(state))
    }
}

/// Where log, runtime and record of an engine that we started are.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("engine")
}

fn file(state: &Path) -> PathBuf {
    folder(state).join("started.json")
}
