//! The result cache of libcni (`libcni/api.go`, `cachedInfo`): what the container runtime and Multus wrote about a pod, and
//! what our own CNI runner writes in the same format and folder.

use std::fs;
use std::io::{self, ErrorKind};

use data_encoding::BASE64;
use plumbline_core::protocol::CniRequest;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::sandbox;

/// libcni's folder, which the container runtime uses.
const FOLDER: &str = "/var/lib/cni/results";

/// The runtime's cache, and that of Multus for the networks it delegates to.
const FOLDERS: [&str; 2] = [FOLDER, "/var/lib/cni/multus/results"];

/// libcni's name for the format.
const KIND: &str = "cniCacheV1";

/// A cached result that cannot be used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// A file operation failed.
    #[error("{action} the cached result {path}: {source}")]
    File {
        /// Read, write or remove.
        action: &'static str,
        /// The file.
        path: String,
        /// What the system gives.
        source: io::Error,
    },
    /// The file is not JSON.
    #[error("read the cached result {path}: {source}")]
    Json {
        /// The file.
        path: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The file has another format.
    #[error("cached result {0}: expected kind {KIND}")]
    Kind(String),
}

fn entry_path(network: &str, request: &CniRequest) -> String {
    format!("{FOLDER}/{network}-{}-{}", request.container_id, request.ifname)
}

/// Writes the final result of an ADD.
///
/// # Errors
/// With the path.
pub fn write_result(network: &str, request: &CniRequest, netns: &str, result: &Value) -> Result<(), CacheError> {
    let path = entry_path(network, request);
    let mut entry = json!({
        "kind": KIND,
        "containerId": request.container_id,
        "config": BASE64.encode(request.config.as_bytes()),
        "ifName": request.ifname,
        "networkName": network,
        "netns": netns,
        "result": result,
    });
    if !request.cni_args.is_empty() {
        entry["cniArgs"] = json!(request.cni_args);
    }
    if !request.capability_args.is_empty() {
        entry["capabilityArgs"] = json!(request.capability_args);
    }
    fs::create_dir_all(FOLDER).and_then(|()| fs::write(&path, entry.to_string())).map_err(|source| CacheError::File {
        action: "write",
        path,
        source,
    })
}

/// Reads the cached result of an ADD; none where there is none.
///
/// # Errors
/// With the path, when the entry cannot be read.
pub fn read_result(network: &str, request: &CniRequest) -> Result<Option<Value>, CacheError> {
    let path = entry_path(network, request);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CacheError::File { action: "read", path, source }),
    };
    let mut entry: Value = match serde_json::from_str(&text) {
        Ok(entry) => entry,
        Err(source) => return Err(CacheError::Json { path, source }),
    };
    match entry["kind"] == KIND {
        true => Ok(Some(entry["result"].take()).filter(|result| !result.is_null())),
        false => Err(CacheError::Kind(path)),
    }
}

/// Removes the cached result, if there is one.
///
/// # Errors
/// With the path.
pub fn remove_result(network: &str, request: &CniRequest) -> Result<(), CacheError> {
    let path = entry_path(network, request);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(CacheError::File { action: "remove", path, source }),
        _ => Ok(()),
    }
}

/// What is read of a cached entry (`libcni/api.go`, `cachedInfo`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CachedEntry {
    kind: String,
    /// The sandbox's container id.
    pub container_id: String,
    if_name: String,
    /// The network's name in its configuration.
    pub network_name: String,
    /// The configuration of the ADD: bytes, which Go writes into JSON as base64.
    #[serde(default)]
    pub(super) config: String,
    #[serde(default)]
    cni_args: Vec<(String, String)>,
    #[serde(default)]
    result: Value,
}

/// Interface, network and result of each cached entry of a pod.
#[must_use]
pub fn read_pod_results(namespace: &str, name: &str, uid: &str) -> Vec<(String, String, Value)> {
    let entries = list_pod_entries(namespace, name, uid).into_iter();
    entries.map(|entry| (entry.if_name, entry.network_name, entry.result)).collect()
}

/// All cached entries of a pod. An entry that cannot be read is left out: it may be written at this moment.
pub(super) fn list_pod_entries(namespace: &str, name: &str, uid: &str) -> Vec<CachedEntry> {
    let ids: Vec<String> = sandbox::list_sandboxes(namespace, name, uid).into_iter().map(|one| one.id).collect();
    let entries = FOLDERS.iter().flat_map(|folder| list_entries(folder));
    entries.filter(|(_, entry)| is_entry_of(entry, &ids, namespace, name, uid)).map(|(_, entry)| entry).collect()
}

/// The path of a cached entry that remains of a pod.
#[must_use]
pub fn find_remaining_entry(namespace: &str, name: &str, uid: &str) -> Option<String> {
    let mut entries = FOLDERS.iter().flat_map(|folder| list_entries(folder));
    entries.find(|(_, entry)| is_entry_of(entry, &[], namespace, name, uid)).map(|(path, _)| path)
}

fn list_entries(folder: &str) -> Vec<(String, CachedEntry)> {
    let listed = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<(String, CachedEntry)> = listed
        .filter_map(|file| {
            let entry: CachedEntry = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
            (entry.kind == KIND).then(|| (file.path().display().to_string(), entry))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn is_entry_of(entry: &CachedEntry, ids: &[String], namespace: &str, name: &str, uid: &str) -> bool {
    if ids.contains(&entry.container_id) {
        return true;
    }
    let is = |key: &str, value: &str| entry.cni_args.iter().any(|(known, written)| known == key && written == value);
    is("K8S_POD_NAMESPACE", namespace) && is("K8S_POD_NAME", name) && (uid.is_empty() || is("K8S_POD_UID", uid))
}
