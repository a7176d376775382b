//! What the CNI side left about a pod: the result caches of the container runtime and of Multus, both libcni's.

use std::fs;

use serde::Deserialize;
use serde_json::Value;

use super::sandbox;
use crate::cni::cache::{FOLDER, KIND};
use crate::trouble::Trouble;

/// The runtime's cache, and that of Multus for the networks it delegates to.
pub const FOLDERS: [&str; 2] = [FOLDER, "/var/lib/cni/multus/results"];

/// What is read of a cached entry (`libcni/api.go`, `cachedInfo`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    kind: String,
    /// The sandbox.
    pub container_id: String,
    if_name: String,
    /// The network's name, as its configuration has it.
    pub network_name: String,
    /// The configuration that ADD was called with: bytes, which Go writes into JSON as base64.
    #[serde(default)]
    pub config: String,
    #[serde(default)]
    cni_args: Vec<(String, String)>,
    #[serde(default)]
    result: Value,
}

/// Interface, network and result of each cached entry about a pod.
///
/// # Errors
/// None as yet: an entry that can't be read is left out, since it may be being written.
pub fn read(namespace: &str, name: &str, uid: &str) -> Result<Vec<(String, String, Value)>, Trouble> {
    let of_pod = of_pod(namespace, name, uid).into_iter();
    Ok(of_pod.map(|entry| (entry.if_name, entry.network_name, entry.result)).collect())
}

/// All cached entries about a pod.
pub(super) fn of_pod(namespace: &str, name: &str, uid: &str) -> Vec<Entry> {
    let ids: Vec<String> = sandbox::all(namespace, name, uid).into_iter().map(|one| one.id).collect();
    let entries = FOLDERS.iter().flat_map(|folder| entries(folder));
    entries.filter(|(_, entry)| is_of(entry, &ids, namespace, name, uid)).map(|(_, entry)| entry).collect()
}

/// The path of a cached entry about a pod, where one is left.
#[must_use]
pub fn left(namespace: &str, name: &str, uid: &str) -> Option<String> {
    let mut entries = FOLDERS.iter().flat_map(|folder| entries(folder));
    entries.find(|(_, entry)| is_of(entry, &[], namespace, name, uid)).map(|(path, _)| path)
}

fn entries(folder: &str) -> Vec<(String, Entry)> {
    let listed = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<(String, Entry)> = listed
        .filter_map(|file| {
            let entry: Entry = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
            (entry.kind == KIND).then(|| (file.path().display().to_string(), entry))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn is_of(entry: &Entry, ids: &[String], namespace: &str, name: &str, uid: &str) -> bool {
    if ids.contains(&entry.container_id) {
        return true;
    }
    let is = |key: &str, value: &str| entry.cni_args.iter().any(|(known, written)| known == key && written == value);
    is("K8S_POD_NAMESPACE", namespace) && is("K8S_POD_NAME", name) && (uid.is_empty() || is("K8S_POD_UID", uid))
}
