//! The old ConfigMap: kept on disk, and as a copy in the cluster, before the new one is written.

use super::handle::{ClusterAccess, ClusterHandle};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use plumbline_cluster::naming::{OWNER, OWNER_LABEL, RUN_LABEL, full_hash};
use plumbline_core::terway::{CONFLIST, NAME, NAMESPACE};
use plumbline_kube::objects::{FIELD_MANAGER, is_absent, words};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::folders;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const STAGE: &str = "keep the old chain";
/// Label of copies: of what.
const KEPT_LABEL: &str = "plumbline.dev/kept";
/// Annotation of a copy: all but the data, as JSON.
const KEPT: &str = "plumbline.dev/kept-with";

/// The old configuration, and what was to come in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedChain {
    /// The run that keeps it.
    pub run: String,
    /// The way to the cluster.
    pub way: ClusterAccess,
    /// The UID of the namespace kube-system, by which the cluster is known again; none where it could not be read.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Every key of the old ConfigMap, byte for byte.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// SHA-256 of the chain that was to come, by which it is known again; none where the chain was taken away.
    pub new_chain: Option<String>,
    /// The DaemonSet's generation before anything was done.
    pub generation: i64,
    /// When, by this host's clock (RFC 3339).
    pub at: String,
    /// When the new chain was in force on every node; none while it is not.
    #[serde(default)]
    pub applied_at: Option<String>,
}

/// The mark of a chain: its SHA-256.
pub fn mark(chain: Option<&str>) -> Option<String> {
    chain.map(|text| full_hash(text.as_bytes()))
}

impl SavedChain {
    /// The old chain.
    pub fn chain(&self) -> Option<&str> {
        self.data.get(CONFLIST).map(String::as_str)
    }

    /// Name of the copy in the cluster.
    pub fn copy(&self) -> String {
        format!("{NAME}-kept-{}", self.run)
    }

    /// Since when the new chain is in force.
    pub fn in_force_since(&self) -> Option<Timestamp> {
        self.applied_at.as_ref().and_then(|at| at.parse().ok())
    }

    /// The file on disk of a run.
    ///
    /// # Errors
    /// `TestbedError` when there is no state folder.
    pub fn path(run: &str) -> Result<PathBuf, TestbedError> {
        Ok(folders::state()?.join("chains").join(format!("{run}.json")))
    }

    /// Reads one from disk; none where there is none.
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

    /// Writes it to disk, for its owner alone: a ConfigMap may hold what is nobody else's.
    ///
    /// # Errors
    /// `TestbedError` when it can't be written.
    pub fn keep_on_disk(&self) -> Result<PathBuf, TestbedError> {
        let path = Self::path(&self.run)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).at_stage(STAGE)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).at_stage(STAGE)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).at_stage(STAGE)?;
        file.write_all(&serde_json::to_vec_pretty(self).at_stage(STAGE)?).at_stage(STAGE)?;
        file.as_file().sync_all().at_stage(STAGE)?;
        file.persist(&path).at_stage(STAGE)?;
        Ok(path)
    }

    /// The copy as an object.
    fn object(&self) -> Result<ConfigMap, TestbedError> {
        let with = serde_json::to_string(&Self { data: BTreeMap::new(), ..self.clone() }).at_stage(STAGE)?;
        let mut copy = ConfigMap { data: Some(self.data.clone()), ..ConfigMap::default() };
        copy.metadata.name = Some(self.copy());
        copy.metadata.namespace = Some(NAMESPACE.to_owned());
        let labels = [(OWNER_LABEL, OWNER), (RUN_LABEL, self.run.as_str()), (KEPT_LABEL, NAME)];
        copy.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        copy.metadata.annotations = Some([(KEPT.to_owned(), with)].into());
        Ok(copy)
    }

    /// Makes the copy in the cluster, or brings it up to date.
    ///
    /// # Errors
    /// `TestbedError` when the server refuses it.
    pub async fn keep_in_cluster(&self, handle: &ClusterHandle) -> Result<(), TestbedError> {
        let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
        let refused =
            |e: kube::Error| TestbedError::new(STAGE, format!("configmap {NAMESPACE}/{}: {}", self.copy(), words(&e)));
        let object = self.object()?;
        match maps
            .create(&PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }, &object)
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => maps
                .patch(&self.copy(), &PatchParams::default(), &Patch::Merge(&object))
                .await
                .map(drop)
                .map_err(refused),
            Err(error) => Err(refused(error)),
        }
    }

    /// Takes copy and file away.
    ///
    /// # Errors
    /// `TestbedError` when one can't be.
    pub async fn forget(&self, handle: &ClusterHandle) -> Result<(), TestbedError> {
        let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
        match maps.delete(&self.copy(), &DeleteParams::default()).await {
            Err(e) if !is_absent(&e) => return Err(TestbedError::new(STAGE, words(&e))),
            _ => {}
        }
        match std::fs::remove_file(Self::path(&self.run)?) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(TestbedError::new(STAGE, e)),
            _ => Ok(()),
        }
    }
}

/// Takes the files away of clusters of ours that are gone: nobody can put these chains back. Gives them.
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
        // What does not read is left alone: it may be another version's.
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
/// `TestbedError` when the server does not answer, or has a copy that can't be read: a change may be open that it tells of.
pub async fn copies(handle: &ClusterHandle) -> Result<Vec<SavedChain>, TestbedError> {
    let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let params = ListParams::default().labels(&format!("{OWNER_LABEL}={OWNER},{KEPT_LABEL}={NAME}"));
    let all =
        maps.list(&params).await.map_err(|e| TestbedError::new(STAGE, format!("list kept chains: {}", words(&e))))?;
    let mut kept = all.items.into_iter().map(read).collect::<Result<Vec<SavedChain>, TestbedError>>()?;
    kept.sort_by(|a, b| b.at.cmp(&a.at));
    Ok(kept)
}

fn read(map: ConfigMap) -> Result<SavedChain, TestbedError> {
    let with = map.annotations().get(KEPT).ok_or_else(|| format!("it has no annotation {KEPT}"));
    let kept: Result<SavedChain, String> = with.and_then(|with| serde_json::from_str(with).map_err(|e| e.to_string()));
    let kept = kept.map_err(|why| {
        let name = map.name_any();
        TestbedError::new(STAGE, format!("the kept chain {NAMESPACE}/{name} can't be read: {why}")).with_hint(format!(
            "see whether its keys are those that you want; then: kubectl delete configmap -n {NAMESPACE} {name}"
        ))
    })?;
    Ok(SavedChain { data: map.data.unwrap_or_default(), ..kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_does_not_read_is_not_passed_over() {
        let mut map = ConfigMap::default();
        map.metadata.name = Some("eni-config-kept-a".into());
        let why = read(map.clone()).unwrap_err();
        assert!(why.cause().contains("eni-config-kept-a can't be read: it has no annotation"), "{why:?}");
        map.metadata.annotations = Some([(KEPT.to_owned(), "{".to_owned())].into());
        assert!(read(map).is_err());
    }

    #[test]
    fn what_was_kept_of_a_cluster_goes_with_it_and_nothing_else() {
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
