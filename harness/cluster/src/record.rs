//! What is remembered of a cluster between runs, in its folder below the state folder.
//!
//! `record.json` is written before a cluster is made, so that one left half-made is known as ours.

use plumbline_kube::adaptation::ImageState;
use plumbline_testbed::error::{AtStage, TestbedError};
use plumbline_testbed::folders;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
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
    /// `true` once kind had made it; else it is half-made.
    pub complete: bool,
    /// The nodes' containers: name to id.
    #[serde(default)]
    pub containers: BTreeMap<String, String>,
    /// The last proof that Multus is in force: what it was made of.
    #[serde(default)]
    pub proof: Option<Proof>,
    /// What is known of pods' images, by reference.
    #[serde(default)]
    pub images: BTreeMap<String, ImageState>,
}

/// A proof that Multus was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// What the proof rests on, a line each with its hash; another text needs another proof.
    pub of: String,
    /// When, in seconds since the epoch.
    pub at: u64,
}

/// The folder of a cluster below the state folder.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// The home of the cluster `name`. Nothing is made before there is something to write: a cluster that is refused
    /// leaves no folder.
    ///
    /// # Errors
    /// `TestbedError` when the state folder can't be used.
    pub fn of(name: &str) -> Result<Self, TestbedError> {
        Ok(Self { folder: clusters()?.join(name) })
    }

    /// Our own kubeconfig, readable by its owner alone; never the user's.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A client by our own kubeconfig alone: neither the user's file nor their environment is looked at.
    ///
    /// # Errors
    /// `TestbedError` when it can't be read.
    pub async fn client(&self) -> Result<kube::Client, TestbedError> {
        plumbline_kube::client::connect(&[self.kubeconfig()], None, STAGE).await
    }

    /// kind's configuration as given.
    pub fn kind_config(&self) -> PathBuf {
        self.folder.join("kind.yaml")
    }

    /// The record; none where there is none, or one that can't be read.
    pub fn record(&self) -> Option<Record> {
        serde_json::from_slice(&std::fs::read(self.folder.join("record.json")).ok()?).ok()
    }

    /// Writes the record.
    ///
    /// # Errors
    /// `TestbedError`, with the path.
    pub fn keep(&self, record: &Record) -> Result<(), TestbedError> {
        let text = serde_json::to_vec_pretty(record).at_stage(STAGE)?;
        write(&self.folder.join("record.json"), &text)
    }

    /// Reads the record, changes it and writes it back. The last writer wins: what is lost is only looked up again.
    ///
    /// # Errors
    /// As [`Home::keep`].
    pub fn change(&self, change: impl FnOnce(&mut Record)) -> Result<(), TestbedError> {
        let mut record = self.record().unwrap_or_default();
        change(&mut record);
        self.keep(&record)
    }

    /// Writes kind's configuration.
    ///
    /// # Errors
    /// `TestbedError`, with the path.
    pub fn keep_config(&self, text: &str) -> Result<(), TestbedError> {
        write(&self.kind_config(), text.as_bytes())
    }

    /// Forgets the cluster.
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

/// The records of all clusters of ours, the newest first.
///
/// # Errors
/// `TestbedError` when the state folder can't be used.
pub fn all() -> Result<Vec<Record>, TestbedError> {
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

/// Writes a file whole, for its owner alone as its folder is, by a file beside it and a rename.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TestbedError> {
    let stage = format!("write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).at_stage(&stage)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).at_stage(&stage)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).at_stage(&stage)?;
    file.write_all(bytes).at_stage(&stage)?;
    file.persist(path).at_stage(&stage)?;
    Ok(())
}
