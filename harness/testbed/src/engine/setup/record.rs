//! The record of an engine that Plumbline started. The engine belongs to the machine, not to a run, and keeps running.

use crate::error::{AtStage, TestbedError};
use crate::journal;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// An engine that Plumbline started without a service manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineRecord {
    /// Its endpoint, in the form of DOCKER_HOST.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// Its start time in clock ticks since boot, so that a reused id is not mistaken for it.
    pub start: u64,
    /// The file with its outputs.
    pub log: PathBuf,
    /// The packages that Plumbline installed for it, `name=version`.
    #[serde(default)]
    pub packages: Vec<String>,
}

impl EngineRecord {
    /// Whether exactly this process still runs.
    pub fn alive(&self) -> bool {
        journal::alive(self.pid, self.start)
    }

    /// Reads the record in a state folder; none if there is none or it can't be read.
    pub(super) fn read(state: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(file(state)).ok()?).ok()
    }

    /// Writes the record atomically.
    pub(super) fn write(&self, state: &Path) -> Result<(), TestbedError> {
        let path = file(state);
        let stage = format!("write {}", path.display());
        let beside = path.with_extension("new");
        std::fs::create_dir_all(folder(state)).at_stage(&stage)?;
        std::fs::write(&beside, serde_json::to_vec_pretty(self).at_stage(&stage)?).at_stage(&stage)?;
        std::fs::rename(&beside, &path).at_stage(&stage)
    }

    /// Removes the record.
    pub(super) fn forget(state: &Path) -> Result<(), TestbedError> {
        journal::remove_file(&file(state))
    }
}

/// The folder with log, runtime and record of an engine that Plumbline started.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("engine")
}

fn file(state: &Path) -> PathBuf {
    folder(state).join("started.json")
}
