//! Leases of host-local that a pod holds on this node, and which of them are still there when it is gone.
//!
//! Where they are follows from the configurations that ADD was called with, which libcni's caches have. A lease is a file
//! by the name of its address, whose first line is the sandbox (plugins, `host-local/backend/disk/backend.go`): one that
//! somebody else got since then is not taken for one that stayed.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;

use plumbline_core::protocol::Lease;
use serde_json::Value;

use super::reported::{self, Entry};
use crate::cni::encode::unbase64;
use crate::trouble::{Trouble, fault};

/// Where host-local keeps leases unless it is told otherwise.
const USUAL: &str = "/var/lib/cni/networks";

/// What the sandboxes of a pod hold now.
///
/// # Errors
/// With the path, where a folder or a lease can't be read.
pub fn held(namespace: &str, name: &str, uid: &str) -> Result<Vec<Lease>, Trouble> {
    let mut places = BTreeSet::new();
    for entry in reported::of_pod(namespace, name, uid) {
        let folders = folders(&entry);
        places
            .extend(folders.into_iter().map(|folder| (folder, entry.network_name.clone(), entry.container_id.clone())));
    }
    let mut found = Vec::new();
    for (folder, network, holder) in places {
        for address in addresses(&folder)? {
            let lease = Lease { address, network: network.clone(), folder: folder.clone(), holder: holder.clone() };
            if is_there(&lease)? {
                found.push(lease);
            }
        }
    }
    Ok(found)
}

/// Those of some leases that are still there, with the same holder.
///
/// # Errors
/// With the path, where one can't be read.
pub fn kept(leases: &[Lease]) -> Result<Vec<Lease>, Trouble> {
    let mut kept = Vec::new();
    for lease in leases {
        if is_there(lease)? {
            kept.push(lease.clone());
        }
    }
    Ok(kept)
}

/// The folders of leases that the configuration of a cached entry names.
fn folders(entry: &Entry) -> Vec<String> {
    let config = unbase64(&entry.config).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(config) = config else { return Vec::new() };
    let plugins = config["plugins"].as_array().map_or(std::slice::from_ref(&config), Vec::as_slice);
    let ipams = plugins.iter().map(|plugin| &plugin["ipam"]).filter(|ipam| ipam["type"] == "host-local");
    let folder = |ipam: &Value| {
        let folder = ipam["dataDir"].as_str().filter(|folder| !folder.is_empty()).unwrap_or(USUAL);
        format!("{}/{}", folder.trim_end_matches('/'), entry.network_name)
    };
    ipams.map(folder).collect()
}

/// The addresses leased in a folder; none where there is no such folder.
fn addresses(folder: &str) -> Result<Vec<String>, Trouble> {
    let doing = || format!("read the leases in {folder}");
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(doing(), error)),
    };
    let mut names = Vec::new();
    for file in listed {
        let name = file.map_err(|error| fault(doing(), error))?.file_name().to_string_lossy().into_owned();
        names.extend(Some(name).filter(|name| name.parse::<IpAddr>().is_ok()));
    }
    names.sort();
    Ok(names)
}

fn is_there(lease: &Lease) -> Result<bool, Trouble> {
    let path = Path::new(&lease.folder).join(&lease.address);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().next().is_some_and(|holder| holder.trim() == lease.holder)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(fault(format!("read the lease {}", path.display()), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::encode::base64;

    fn lease(folder: &Path, address: &str, holder: &str) -> Lease {
        let folder = folder.display().to_string();
        Lease { address: address.into(), network: "n".into(), folder, holder: holder.into() }
    }

    #[test]
    fn folders_follow_from_the_configuration_that_add_had() {
        let of = |config: &str| {
            let entry = serde_json::json!({ "kind": "x", "containerId": "c", "ifName": "eth1", "networkName": "n",
                "config": base64(config.as_bytes()) });
            folders(&serde_json::from_value::<Entry>(entry).unwrap())
        };
        assert_eq!(of(r#"{"type":"ptp","ipam":{"type":"host-local"}}"#), ["/var/lib/cni/networks/n"]);
        let list = r#"{"plugins":[{"ipam":{"type":"host-local","dataDir":"/run/x/"}},{"type":"tuning"}]}"#;
        assert_eq!(of(list), ["/run/x/n"]);
        assert_eq!(of(r#"{"type":"macvlan","ipam":{"type":"static"}}"#), Vec::<String>::new());
    }

    #[test]
    fn a_lease_stays_only_with_the_same_holder() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("10.0.0.2", "one\r\neth1"), ("10.0.0.3", "two\r\neth1"), ("lock", "")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(addresses(&folder.path().display().to_string()).unwrap(), ["10.0.0.2", "10.0.0.3"]);
        let (same, other) = (lease(folder.path(), "10.0.0.2", "one"), lease(folder.path(), "10.0.0.3", "one"));
        let gone = lease(folder.path(), "10.0.0.4", "one");
        assert_eq!(kept(&[same.clone(), other, gone]).unwrap(), [same]);
        assert_eq!(addresses("/no/such/folder").unwrap(), Vec::<String>::new());
    }
}
