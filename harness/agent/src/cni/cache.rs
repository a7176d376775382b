//! The result cache, in the folder and format of libcni (`libcni/api.go`, `cachedInfo`), so that whoever looks for
//! cached results on a node finds ours too.

use std::fs;
use std::io::ErrorKind;

use plumbline_core::protocol::CniRequest;
use serde_json::{Value, json};

use super::config::NetworkConfig;
use super::encode::base64;

/// libcni's folder.
pub const FOLDER: &str = "/var/lib/cni/results";

/// libcni's name for the format.
pub const KIND: &str = "cniCacheV1";

fn path(network: &str, request: &CniRequest) -> String {
    format!("{FOLDER}/{network}-{}-{}", request.container_id, request.ifname)
}

/// Keeps the final result of an ADD.
///
/// # Errors
/// With the path.
pub fn keep(config: &NetworkConfig, request: &CniRequest, netns: &str, result: &Value) -> Result<(), String> {
    let path = path(&config.name, request);
    let mut entry = json!({
        "kind": KIND,
        "containerId": request.container_id,
        "config": base64(request.config.as_bytes()),
        "ifName": request.ifname,
        "networkName": config.name,
        "netns": netns,
        "result": result,
    });
    if !request.cni_args.is_empty() {
        entry["cniArgs"] = json!(request.cni_args);
    }
    if !request.capability_args.is_empty() {
        entry["capabilityArgs"] = json!(request.capability_args);
    }
    fs::create_dir_all(FOLDER)
        .and_then(|()| fs::write(&path, entry.to_string()))
        .map_err(|error| format!("keep the result in {path}: {error}"))
}

/// The kept result; none where nothing was kept.
///
/// # Errors
/// With the path, when there is an entry that can't be read.
pub fn find(network: &str, request: &CniRequest) -> Result<Option<Value>, String> {
    let path = path(network, request);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("read the kept result {path}: {error}")),
    };
    let mut entry: Value =
        serde_json::from_str(&text).map_err(|error| format!("read the kept result {path}: {error}"))?;
    match entry["kind"] == KIND {
        true => Ok(Some(entry["result"].take()).filter(|result| !result.is_null())),
        false => Err(format!("the kept result {path} is not of kind {KIND}")),
    }
}

/// Forgets the kept result; one that is not there is fine.
///
/// # Errors
/// With the path.
pub fn forget(network: &str, request: &CniRequest) -> Result<(), String> {
    let path = path(network, request);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("remove the kept result {path}: {error}")),
        _ => Ok(()),
    }
}
