//! The record of a cluster between runs, in its folder below the state folder.
//!
//! `record.json` is written before kind creates the cluster, so that an incomplete cluster is recognized as Plumbline's.

use plumbline_core::state::NamespaceState;
use plumbline_kube::adaptation::ImageState;
use plumbline_testbed::error::{AtStage, TestbedError};
use plumbline_testbed::folders;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const STAGE: &str = "cluster";

/// A cluster's record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Cluster name.
    pub name: String,
    /// Profile name.
    pub profile: String,
    /// Whether kind has finished creating the cluster.
    pub complete: bool,
    /// The nodes' containers: name to id.
    #[serde(default)]
    pub containers: BTreeMap<String, String>,
    /// The last proof that the network is in force.
    #[serde(default)]
    pub proof: Option<Proof>,
    /// The probed states of pods' images, by reference.
    #[serde(default)]
    pub images: BTreeMap<String, ImageState>,
}

/// A proof that the network was in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The basis of the proof, one line with a hash for each part. Another text needs another proof.
    pub of: String,
    /// The time of the proof, in seconds since the epoch.
    pub at: u64,
    /// The state of a pod without attachments on each node, read from the canary there; empty where it was not read.
    #[serde(default)]
    pub baselines: BTreeMap<String, NamespaceState>,
}

/// The folder of a cluster below the state folder.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// The home of the cluster `name`. The folder is created with the first file, so a refused cluster leaves no folder.
    ///
    /// # Errors
    /// `TestbedError` when the state folder can't be used.
    pub fn of(name: &str) -> Result<Self, TestbedError> {
        Ok(Self { folder: clusters()?.join(name) })
    }

    /// Plumbline's own kubeconfig, readable only by its owner; never the user's.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A client with only Plumbline's own kubeconfig. It reads neither the user's file nor their environment.
    ///
    /// # Errors
    /// `TestbedError` when it can't be read.
    pub async fn client(&self) -> Result<kube::Client, TestbedError> {
        plumbline_kube::client::connect(&[self.kubeconfig()], None, STAGE).await
    }

    /// kind's configuration of the cluster.
    pub fn kind_config(&self) -> PathBuf {
        self.folder.join("kind.yaml")
    }

    /// The record; none if it is missing or can't be read.
    pub fn record(&self) -> Option<Record> {
        serde_json::from_slice(&std::fs::read(self.folder.join("record.json")).ok()?).ok()
    }

    /// Writes the record.
    ///
    /// # Errors
    /// `TestbedError`, with the path.
    pub fn write_record(&self, record: &Record) -> Result<(), TestbedError> {
        let text = serde_json::to_vec_pretty(record).at_stage(STAGE)?;
        write(&self.folder.join("record.json"), &text)
    }

    /// Reads the record, changes it and writes it back. The last writer wins; a lost state is only probed again.
    ///
    /// # Errors
    /// As [`Home::write_record`].
    pub fn change(&self, change: impl FnOnce(&mut Record)) -> Result<(), TestbedError> {
        let mut record = self.record().unwrap_or_default();
        change(&mut record);
        self.write_record(&record)
    }

    /// Writes kind's configuration.
    ///
    /// # Errors
    /// `TestbedError`, with the path.
    pub fn write_config(&self, text: &str) -> Result<(), TestbedError> {
        write(&self.kind_config(), text.as_bytes())
    }

    /// Removes the folder with the record.
    ///
    /// # Errors
    /// `TestbedError`, with the path.
    pub fn forget(self) -> Result<(), TestbedError> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(TestbedError::new(STAGE, format!("remove {}: {error}", self.folder.display())))
            }
            _ => Ok(()),
        }
    }
}

/// The folder of all clusters' homes.
fn clusters() -> Result<PathBuf, TestbedError> {
    Ok(folders::state()?.join("clusters"))
}

/// The records of all clusters of Plumbline, the newest first.
///
/// # Errors
/// `TestbedError` when the state folder can't be used.
pub fn list_records() -> Result<Vec<Record>, TestbedError> {
    let entries = std::fs::read_dir(clusters()?).into_iter().flatten().flatten();
    let mut dated: Vec<_> = entries
        .filter_map(|entry| {
            let home = Home { folder: entry.path() };
            let written = std::fs::metadata(home.folder.join("record.json")).and_then(|m| m.modified()).ok()?;
            Some((written, home.record()?))
        })
        .collect();
    dated.sort_by_key(|(written, _)| std::cmp::Reverse(*written));
    Ok(dated.into_iter().map(|(_, record)| record).collect())
}

/// Writes a file atomically, with a rename. Only the owner can read the file and its folder.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TestbedError> {
    folders::write_private(path, bytes).at_stage(&format!("write {}", path.display()))
}
