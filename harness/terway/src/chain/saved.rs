//! The old ConfigMap: saved on disk, and as a copy in the cluster, before the new one is written.

use super::handle::{ClusterAccess, ClusterHandle};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use plumbline_cluster::naming::{OWNER, OWNER_LABEL, RUN_LABEL, full_hash};
use plumbline_core::terway::{CONFLIST, NAME, NAMESPACE};
use plumbline_kube::objects::{self, AtRequest as _, FIELD_MANAGER, error_message};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::folders;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const STAGE: &str = "save the old chain";
/// Label of copies, with the name of the copied ConfigMap.
const KEPT_LABEL: &str = "plumbline.dev/kept";
/// Annotation of a copy: everything except the data, as JSON.
const KEPT: &str = "plumbline.dev/kept-with";

/// The old configuration, and the data about the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedChain {
    /// The run that saved it.
    pub run: String,
    /// The access to the cluster.
    pub way: ClusterAccess,
    /// The UID of the namespace kube-system, which identifies the cluster; none if it could not be read.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Every key of the old ConfigMap, byte for byte.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// The SHA-256 of the new chain, which identifies it; none if the change removes the chain.
    pub new_chain: Option<String>,
    /// The DaemonSet's generation before the change.
    pub generation: i64,
    /// The time of the change, from this host's clock (RFC 3339).
    pub at: String,
    /// The time since which the new chain is in force on every node; none before that.
    #[serde(default)]
    pub applied_at: Option<String>,
}

/// The SHA-256 of a chain.
pub fn hash_chain(chain: Option<&str>) -> Option<String> {
    chain.map(|text| full_hash(text.as_bytes()))
}

impl SavedChain {
    /// The old chain.
    pub fn chain(&self) -> Option<&str> {
        self.data.get(CONFLIST).map(String::as_str)
    }

    /// The name of the copy in the cluster.
    pub fn copy(&self) -> String {
        format!("{NAME}-kept-{}", self.run)
    }

    /// The time since which the new chain is in force.
    pub fn in_force_since(&self) -> Option<Timestamp> {
        self.applied_at.as_ref().and_then(|at| at.parse().ok())
    }

    /// The path of a run's file.
    ///
    /// # Errors
    /// `TestbedError` when there is no state folder.
    pub fn path(run: &str) -> Result<PathBuf, TestbedError> {
        Ok(folders::state()?.join("chains").join(format!("{run}.json")))
    }

    /// Reads a saved chain from disk; none if the file does not exist.
    ///
    /// # Errors
    /// `TestbedError` when it can't be read.
    pub fn read(path: &Path) -> Result<Option<Self>, TestbedError> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).at_stage(&format!("read {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TestbedError::new(STAGE, format!("{}: {error}", path.display()))),
        }
    }

    /// Writes it to disk, readable only by its owner, because a ConfigMap may contain confidential data.
    ///
    /// # Errors
    /// `TestbedError` when it can't be written.
    pub fn keep_on_disk(&self) -> Result<PathBuf, TestbedError> {
        let path = Self::path(&self.run)?;
        folders::write_private(&path, &serde_json::to_vec_pretty(self).at_stage(STAGE)?).at_stage(STAGE)?;
        Ok(path)
    }

    /// The copy as a ConfigMap.
    fn to_config_map(&self) -> Result<ConfigMap, TestbedError> {
        let with = serde_json::to_string(&Self { data: BTreeMap::new(), ..self.clone() }).at_stage(STAGE)?;
        let mut copy = ConfigMap { data: Some(self.data.clone()), ..ConfigMap::default() };
        copy.metadata.name = Some(self.copy());
        copy.metadata.namespace = Some(NAMESPACE.to_owned());
        let labels = [(OWNER_LABEL, OWNER), (RUN_LABEL, self.run.as_str()), (KEPT_LABEL, NAME)];
        copy.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        copy.metadata.annotations = Some([(KEPT.to_owned(), with)].into());
        Ok(copy)
    }

    /// Creates or updates the copy in the cluster.
    ///
    /// # Errors
    /// `TestbedError` when the server refuses it.
    pub async fn keep_in_cluster(&self, handle: &ClusterHandle) -> Result<(), TestbedError> {
        let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
        let object = self.to_config_map()?;
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let kept = match maps.create(&params, &object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                maps.patch(&self.copy(), &PatchParams::default(), &Patch::Merge(&object)).await
            }
            created => created,
        };
        kept.map(drop).at_request(STAGE, format_args!("configmap {NAMESPACE}/{}", self.copy()))
    }

    /// Removes the copy and the file.
    ///
    /// # Errors
    /// `TestbedError` when one can't be removed.
    pub async fn forget(&self, handle: &ClusterHandle) -> Result<(), TestbedError> {
        let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
        let deleted = objects::delete(&maps, &self.copy(), &DeleteParams::default()).await;
        deleted.map_err(|e| TestbedError::new(STAGE, error_message(&e)))?;
        match std::fs::remove_file(Self::path(&self.run)?) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(TestbedError::new(STAGE, e)),
            _ => Ok(()),
        }
    }
}

/// Removes the files of deleted clusters of Plumbline, whose chains can't be restored any more. Returns the paths.
///
/// # Errors
/// `TestbedError` when there is no state folder, or a file can't be removed.
pub fn forget_gone() -> Result<Vec<PathBuf>, TestbedError> {
    forget_below(&folders::state()?.join("chains"))
}

fn forget_below(folder: &Path) -> Result<Vec<PathBuf>, TestbedError> {
    let mut gone = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // An unreadable file stays, because another version of Plumbline may have written it.
        if matches!(SavedChain::read(&path), Ok(Some(kept)) if kept.way.is_gone()) {
            std::fs::remove_file(&path).at_stage(&format!("remove {}", path.display()))?;
            gone.push(path);
        }
    }
    Ok(gone)
}

/// The copies in a cluster, the newest first.
///
/// # Errors
/// `TestbedError` when the server does not answer, or a copy can't be read: its change may be open.
pub async fn list_copies(handle: &ClusterHandle) -> Result<Vec<SavedChain>, TestbedError> {
    let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let params = ListParams::default().labels(&format!("{OWNER_LABEL}={OWNER},{KEPT_LABEL}={NAME}"));
    let all = maps.list(&params).await.at_request(STAGE, "list saved chains")?;
    let mut kept = all.items.into_iter().map(read_copy).collect::<Result<Vec<SavedChain>, TestbedError>>()?;
    kept.sort_by(|a, b| b.at.cmp(&a.at));
    Ok(kept)
}

fn read_copy(map: ConfigMap) -> Result<SavedChain, TestbedError> {
    let with = map.annotations().get(KEPT).ok_or_else(|| format!("it has no annotation {KEPT}"));
    let kept: Result<SavedChain, String> = with.and_then(|with| serde_json::from_str(with).map_err(|e| e.to_string()));
    let kept = kept.map_err(|why| {
        let name = map.name_any();
        TestbedError::new(STAGE, format!("the saved chain {NAMESPACE}/{name} can't be read: {why}"))
            .with_hint(format!("check whether you need its keys; then: kubectl delete configmap -n {NAMESPACE} {name}"))
    })?;
    Ok(SavedChain { data: map.data.unwrap_or_default(), ..kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_copy_is_an_error() {
        let mut map = ConfigMap::default();
        map.metadata.name = Some("eni-config-kept-a".into());
        let why = read_copy(map.clone()).unwrap_err();
        assert!(why.cause().contains("eni-config-kept-a can't be read: it has no annotation"), "{why:?}");
        map.metadata.annotations = Some([(KEPT.to_owned(), "{".to_owned())].into());
        assert!(read_copy(map).is_err());
    }

    #[test]
    fn only_the_files_of_deleted_clusters_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let keep = |name: &str, ours: Option<&str>, file: PathBuf| {
            let way = ClusterAccess { files: vec![file], context: None, ours: ours.map(str::to_owned) };
            let kept = SavedChain {
                run: name.to_owned(),
                way,
                cluster: None,
                data: BTreeMap::new(),
                new_chain: None,
                generation: 1,
                at: String::new(),
                applied_at: None,
            };
            let path = folder.path().join(format!("{name}.json"));
            std::fs::write(&path, serde_json::to_vec(&kept).unwrap()).unwrap();
            path
        };
        let absent = folder.path().join("absent");
        let gone = keep("gone", Some("plumbline-a"), absent.clone());
        let odd = folder.path().join("odd.json");
        std::fs::write(&odd, "{").unwrap();
        let up = keep("up", Some("plumbline-b"), odd.clone());
        let users = keep("users", None, absent);
        assert_eq!(forget_below(folder.path()).unwrap(), std::slice::from_ref(&gone));
        assert!(!gone.exists() && users.exists() && odd.exists() && up.exists());
    }
}
