//! The result cache of libcni (`libcni/api.go`, `cachedInfo`): what the container runtime and Multus wrote about a pod, and
//! what Plumbline's CNI runner writes in the same format and folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use data_encoding::BASE64;
use plumbline_core::protocol::CniRequest;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::sandbox;
use crate::error::Cause;

/// libcni's folder, which the container runtime uses.
const FOLDER: &str = "/var/lib/cni/results";

/// The cache of Multus for the networks it delegates to.
const MULTUS_FOLDER: &str = "/var/lib/cni/multus/results";

/// The runtime's cache, and that of Multus.
const FOLDERS: [&str; 2] = [FOLDER, MULTUS_FOLDER];

/// libcni's name for the format.
const KIND: &str = "cniCacheV1";

/// A cached result that cannot be used.
#[derive(Debug, Error)]
#[error("{action} the cached result {path}: {source}")]
pub struct CacheError {
    action: &'static str,
    path: String,
    source: Cause,
}

impl CacheError {
    fn new(action: &'static str, path: String, source: impl Into<Cause>) -> Self {
        Self { action, path, source: source.into() }
    }
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
    let written = fs::create_dir_all(FOLDER).and_then(|()| fs::write(&path, entry.to_string()));
    written.map_err(|error| CacheError::new("write", path, error))
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
        Err(error) => return Err(CacheError::new("read", path, error)),
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(mut entry) if entry["kind"] == KIND => Ok(Some(entry["result"].take()).filter(|result| !result.is_null())),
        Ok(_) => Err(CacheError::new("read", path, format!("kind: expected {KIND}"))),
        Err(error) => Err(CacheError::new("read", path, error)),
    }
}

/// Removes the cached result, if there is one.
///
/// # Errors
/// With the path.
pub fn remove_result(network: &str, request: &CniRequest) -> Result<(), CacheError> {
    let path = entry_path(network, request);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CacheError::new("remove", path, error)),
        _ => Ok(()),
    }
}

/// The used fields of a cached entry (`libcni/api.go`, `cachedInfo`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CachedEntry {
    kind: String,
    /// The sandbox's container id.
    pub container_id: String,
    /// The interface.
    pub if_name: String,
    /// The network's name in its configuration.
    pub network_name: String,
    /// The configuration of the ADD: bytes, which Go writes into JSON as base64.
    #[serde(default)]
    pub config: String,
    /// `CNI_ARGS`, in order.
    #[serde(default)]
    pub cni_args: Option<Vec<(String, String)>>,
    /// Runtime data by capability.
    #[serde(default)]
    pub capability_args: Option<BTreeMap<String, Value>>,
    /// The final result.
    #[serde(default)]
    pub result: Value,
}

/// Interface, network and result of each cached entry of a pod.
pub fn read_pod_results(namespace: &str, name: &str, uid: &str) -> Vec<(String, String, Value)> {
    let entries = list_pod_entries(namespace, name, uid).into_iter();
    entries.map(|entry| (entry.if_name, entry.network_name, entry.result)).collect()
}

/// The cached entries of a pod that Multus made for its attachments and its default network, of its
/// newest sandbox. An entry that cannot be read is left out: it may be written at this moment.
pub fn list_delegated_entries(namespace: &str, name: &str, uid: &str) -> Vec<CachedEntry> {
    let newest = sandbox::find_newest(namespace, name, uid).map(|one| one.id).ok();
    let entries = list_entries(MULTUS_FOLDER).into_iter().map(|(_, entry)| entry);
    entries.filter(|entry| Some(&entry.container_id) == newest.as_ref()).collect()
}

/// All cached entries of a pod. An entry that cannot be read is left out: it may be written at this moment.
pub(super) fn list_pod_entries(namespace: &str, name: &str, uid: &str) -> Vec<CachedEntry> {
    let ids: Vec<String> = sandbox::list_sandboxes(namespace, name, uid).into_iter().map(|one| one.id).collect();
    let entries = FOLDERS.iter().flat_map(|folder| list_entries(folder));
    entries.filter(|(_, entry)| is_entry_of(entry, &ids, namespace, name, uid)).map(|(_, entry)| entry).collect()
}

/// The path of a cached entry that remains of a pod.
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
    let args = || entry.cni_args.iter().flatten();
    let is = |key: &str, value: &str| args().any(|(known, written)| known == key && written == value);
    is("K8S_POD_NAMESPACE", namespace) && is("K8S_POD_NAME", name) && (uid.is_empty() || is("K8S_POD_UID", uid))
}
