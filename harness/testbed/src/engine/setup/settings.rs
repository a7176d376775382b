//! `clusters/engine/engine.yaml`: the packages, and the deadline of each step.

use crate::error::{AtStage, TestbedError};
use crate::wait::read_seconds;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineSettings {
    api_version: String,
    kind: String,
    /// Packages with the engine.
    pub packages: Vec<String>,
    /// Packages with the `docker` command, if the engine's packages do not contain it.
    pub client_packages: Vec<String>,
    /// The required free disk space.
    pub disk: Disk,
    /// The required maximum of inotify instances per user.
    pub inotify_instances: u64,
    /// The name of Plumbline's OCI runtime in the engine.
    pub runtime: String,
    /// The deadline of each step.
    pub deadlines: Deadlines,
}

/// The disk space that an installation needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disk {
    /// A folder on the file system in question.
    pub path: PathBuf,
    /// The required free space, in MiB.
    #[serde(rename = "freeMiB")]
    pub free_mib: u64,
}

/// Deadlines; seconds in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// Of reading the package lists.
    #[serde(deserialize_with = "read_seconds")]
    pub update: Duration,
    /// Of installing packages.
    #[serde(deserialize_with = "read_seconds")]
    pub install: Duration,
    /// Of the engine's start, until it answers.
    #[serde(deserialize_with = "read_seconds")]
    pub start: Duration,
    /// Of the engine's end.
    #[serde(deserialize_with = "read_seconds")]
    pub stop: Duration,
}

impl EngineSettings {
    /// Reads the file of a checkout.
    ///
    /// # Errors
    /// [`TestbedError`] when it is missing or has an unknown key, with file, line and column.
    pub fn read(root: &Path) -> Result<Self, TestbedError> {
        let path = root.join("clusters/engine/engine.yaml");
        let stage = format!("read {}", path.display());
        let settings: Self = crate::document::read(&path).at_stage(&stage)?;
        crate::document::check(&path, (&settings.api_version, &settings.kind), "Engine").at_stage(&stage)?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_file_is_valid() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let settings = EngineSettings::read(&root).unwrap();
        assert!(!settings.packages.is_empty() && settings.deadlines.start >= Duration::from_secs(30));
    }
}
