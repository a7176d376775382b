//! What remains of a pod of Kubernetes on this node: leases of host-local, and its sandbox.
//!
//! The folder of a lease is in the configuration of the ADD, which libcni caches. A lease is a file named after its
//! address; its first line is the sandbox (plugins, `host-local/backend/disk/backend.go`). A lease that another sandbox
//! got since then does not count as remaining.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use plumbline_core::protocol::{CACHED_RESULT, Lease, Outcome};
use serde_json::Value;

use super::result_cache::{self, CachedEntry};
use super::sandbox;
use crate::error::{RequestError, fault};
use crate::input::Input;

/// The folder of host-local's leases where the configuration names none.
const DEFAULT_FOLDER: &str = "/var/lib/cni/networks";

/// The leases that the sandboxes of a pod hold now.
///
/// # Errors
/// With the path, where a folder or a lease cannot be read.
pub fn list_pod_leases(namespace: &str, name: &str, uid: &str) -> Result<Vec<Lease>, RequestError> {
    let mut holders = BTreeSet::new();
    for entry in result_cache::list_pod_entries(namespace, name, uid) {
        let folders = lease_folders(&entry);
        holders
            .extend(folders.into_iter().map(|folder| (folder, entry.network_name.clone(), entry.container_id.clone())));
    }
    let mut found = Vec::new();
    for (folder, network, holder) in holders {
        for address in list_addresses(&folder)? {
            let lease = Lease { address, network: network.clone(), folder: folder.clone(), holder: holder.clone() };
            if is_held(&lease)? {
                found.push(lease);
            }
        }
    }
    Ok(found)
}

/// Those of these leases that remain, with the same holder.
///
/// # Errors
/// With the path, where one cannot be read.
pub fn filter_remaining_leases(leases: &[Lease]) -> Result<Vec<Lease>, RequestError> {
    let mut remaining = Vec::new();
    for lease in leases {
        if is_held(lease)? {
            remaining.push(lease.clone());
        }
    }
    Ok(remaining)
}

/// The lease folders that the configuration of a cached entry names.
fn lease_folders(entry: &CachedEntry) -> Vec<String> {
    let bytes = BASE64.decode(entry.config.as_bytes()).ok();
    let config = bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(config) = config else { return Vec::new() };
    let plugins = config["plugins"].as_array().map_or(std::slice::from_ref(&config), Vec::as_slice);
    let ipams = plugins.iter().map(|plugin| &plugin["ipam"]).filter(|ipam| ipam["type"] == "host-local");
    let folder = |ipam: &Value| {
        let folder = ipam["dataDir"].as_str().filter(|folder| !folder.is_empty()).unwrap_or(DEFAULT_FOLDER);
        format!("{}/{}", folder.trim_end_matches('/'), entry.network_name)
    };
    ipams.map(folder).collect()
}

/// The addresses leased in a folder; none where there is no such folder.
fn list_addresses(folder: &str) -> Result<Vec<String>, RequestError> {
    let action = || format!("read the leases in {folder}");
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(action(), error)),
    };
    let mut names = Vec::new();
    for file in listed {
        let name = file.map_err(|error| fault(action(), error))?.file_name().to_string_lossy().into_owned();
        names.extend(Some(name).filter(|name| name.parse::<IpAddr>().is_ok()));
    }
    names.sort();
    Ok(names)
}

fn is_held(lease: &Lease) -> Result<bool, RequestError> {
    let path = Path::new(&lease.folder).join(&lease.address);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().next().is_some_and(|holder| holder.trim() == lease.holder)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(fault(format!("read the lease {}", path.display()), error)),
    }
}

/// The three are on two filesystems, one of which may be shared: polling is as good as inotify, and simpler.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until the sandbox of a pod is gone, at most until the deadline.
///
/// Three things must be gone: the task's bundle, the file of the network namespace, and the cached results. containerd
/// ends the task first and runs CNI DEL after it (`sandbox_stop.go`), so the bundle alone does not show that the network
/// is gone.
///
/// # Errors
/// The lane hung up.
pub fn wait_until_gone(
    namespace: &str,
    name: &str,
    uid: &str,
    deadline_ms: u64,
    input: &mut Input,
) -> Result<Outcome, RequestError> {
    let end = Instant::now() + Duration::from_millis(deadline_ms);
    let mut namespaces: Vec<String> = Vec::new();
    loop {
        let last_seen = find_remains(namespace, name, uid, &mut namespaces);
        if last_seen.is_none() || Instant::now() >= end {
            return Ok(Outcome::SandboxRemoval { removed: last_seen.is_none(), last_seen });
        }
        input.pause(POLL_INTERVAL)?;
    }
}

/// What remains of the sandbox. Adds its namespaces to the list, because their paths are in the bundle only.
fn find_remains(namespace: &str, name: &str, uid: &str, namespaces: &mut Vec<String>) -> Option<String> {
    let running = sandbox::list_sandboxes(namespace, name, uid);
    namespaces.extend(running.iter().filter_map(|one| one.netns().map(str::to_owned)));
    namespaces.sort();
    namespaces.dedup();
    namespaces.retain(|path| Path::new(path).exists());
    let task = running.first().map(|one| format!("task {}/{}", sandbox::TASKS, one.id));
    let netns = || namespaces.first().map(|path| format!("network namespace {path}"));
    let cached =
        || result_cache::find_remaining_entry(namespace, name, uid).map(|path| format!("{CACHED_RESULT} {path}"));
    task.or_else(netns).or_else(cached)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lease(folder: &Path, address: &str, holder: &str) -> Lease {
        let folder = folder.display().to_string();
        Lease { address: address.into(), network: "n".into(), folder, holder: holder.into() }
    }

    #[test]
    fn lease_folders_come_from_the_configuration_of_the_add() {
        let of = |config: &str| {
            let entry = serde_json::json!({ "kind": "x", "containerId": "c", "ifName": "eth1", "networkName": "n",
                "config": BASE64.encode(config.as_bytes()) });
            lease_folders(&serde_json::from_value::<CachedEntry>(entry).unwrap())
        };
        assert_eq!(of(r#"{"type":"ptp","ipam":{"type":"host-local"}}"#), ["/var/lib/cni/networks/n"]);
        let list = r#"{"plugins":[{"ipam":{"type":"host-local","dataDir":"/run/x/"}},{"type":"tuning"}]}"#;
        assert_eq!(of(list), ["/run/x/n"]);
        assert_eq!(of(r#"{"type":"macvlan","ipam":{"type":"static"}}"#), Vec::<String>::new());
    }

    #[test]
    fn a_lease_remains_only_with_the_same_holder() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("10.0.0.2", "one\r\neth1"), ("10.0.0.3", "two\r\neth1"), ("lock", "")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(list_addresses(&folder.path().display().to_string()).unwrap(), ["10.0.0.2", "10.0.0.3"]);
        let (same, other) = (lease(folder.path(), "10.0.0.2", "one"), lease(folder.path(), "10.0.0.3", "one"));
        let gone = lease(folder.path(), "10.0.0.4", "one");
        assert_eq!(filter_remaining_leases(&[same.clone(), other, gone]).unwrap(), [same]);
        assert_eq!(list_addresses("/no/such/folder").unwrap(), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn no_cached_configuration_makes_the_reader_panic(
            config in prop_oneof![
                "\\PC{0,20}",
                "\\{\"(plugins|ipam|dataDir)\":(1|null|\\[1,\\{\\}\\]|\\{\"type\":\"host-local\",\"dataDir\":(2|\"/x\")\\})\\}",
            ],
        ) {
            let entry = serde_json::json!({ "kind": "x", "containerId": "c", "ifName": "eth1", "networkName": "n",
                "config": BASE64.encode(config.as_bytes()) });
            let _ = lease_folders(&serde_json::from_value::<CachedEntry>(entry).unwrap());
        }
    }
}
