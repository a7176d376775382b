//! Leases that IPAM still has on a node after every pod was removed.

use super::networks::NetworkConfig;
use crate::agent::{NodeAgent, Unanswered};
use plumbline_core::observe::{Leak, LeakKind};
use plumbline_core::protocol::{Fault, Op, Outcome, Target};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Where host-local keeps its leases unless its configuration names another folder (plugins, `host-local/backend/disk/backend.go`).
const USUAL: &str = "/var/lib/cni/networks";

/// Deadline for reading a small folder.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Folders that may have leases, and the pods that may hold them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseFolders {
    /// Node, from 1, folder, and the network's name.
    folders: BTreeSet<(usize, String, String)>,
    /// Pods by their container id.
    holders: BTreeMap<String, String>,
}

impl LeaseFolders {
    /// Adds the folders of a network on a node: one for each host-local in its chain.
    pub fn add(&mut self, node: usize, config: &NetworkConfig) {
        let Ok(whole) = serde_json::from_str::<Value>(&config.config) else { return };
        let Some(name) = whole["name"].as_str() else { return };
        let plugins = whole["plugins"].as_array().map_or(std::slice::from_ref(&whole), Vec::as_slice);
        for ipam in plugins.iter().map(|plugin| &plugin["ipam"]).filter(|ipam| ipam["type"] == "host-local") {
            let folder = ipam["dataDir"].as_str().filter(|folder| !folder.is_empty()).unwrap_or(USUAL);
            let folder = format!("{}/{name}", folder.trim_end_matches('/'));
            self.folders.insert((node, folder, name.to_owned()));
        }
    }

    /// Adds a pod by its container id.
    pub fn add_holder(&mut self, container_id: &str, pod: &str) {
        self.holders.insert(container_id.to_owned(), pod.to_owned());
    }

    /// The leases that are still there. None if no network has an IPAM with leases. Also a line for each failed
    /// reading.
    pub async fn find_leaks(&self, agent: &mut NodeAgent) -> (Option<Vec<Leak>>, Vec<String>) {
        let (mut left, mut lines) = (Vec::new(), Vec::new());
        for (node, folder, network) in &self.folders {
            match read_folder(*node, folder, agent).await {
                Ok(leases) => left.extend(leases.into_iter().map(|(address, holder)| Leak {
                    kind: LeakKind::Lease,
                    pod: self.holders.get(&holder).cloned(),
                    what: format!("{address} of network {network}"),
                    place: format!("{folder} on node {node}"),
                })),
                Err(why) => lines.push(format!("node {node}: the leases in {folder} can't be read: {why}")),
            }
        }
        // If nothing could be read, there is no list of leaks.
        let was_read = !self.folders.is_empty() && (lines.is_empty() || !left.is_empty());
        (was_read.then_some(left), lines)
    }
}

/// A lease is a file by the name of its address; its first line is the holder's container id.
fn leases(names: &[String]) -> impl Iterator<Item = &String> {
    names.iter().filter(|name| name.parse::<IpAddr>().is_ok())
}

/// The leases in a folder of a node, with their holders. None if the folder does not exist.
async fn read_folder(node: usize, folder: &str, agent: &mut NodeAgent) -> Result<Vec<(String, String)>, String> {
    let names = match node {
        1 => match read(folder, agent).await? {
            None => Vec::new(),
            Some(Outcome::File { names: Some(names), .. }) => names,
            Some(_) => return Err("it is not a folder".to_owned()),
        },
        // Each other node has its own mount namespace. A missing folder lists nothing.
        _ => {
            let listed = run(node, "[ ! -e \"$1\" ] || ls -1 -- \"$1\"", folder, agent).await?;
            listed.lines().map(ToOwned::to_owned).collect()
        }
    };
    let mut found = Vec::new();
    for address in leases(&names) {
        let path = format!("{folder}/{address}");
        let text = match node {
            1 => match read(&path, agent).await? {
                // The lease was removed after the folder was listed.
                None => continue,
                Some(Outcome::File { text: Some(text), .. }) => text,
                Some(_) => return Err(format!("{path} is not a file")),
            },
            _ => run(node, "cat -- \"$1\"", &path, agent).await?,
        };
        found.push((address.clone(), text.lines().next().unwrap_or_default().trim().to_owned()));
    }
    Ok(found)
}

/// Reads a file or folder of the first node. None if it does not exist.
async fn read(path: &str, agent: &mut NodeAgent) -> Result<Option<Outcome>, String> {
    match agent.call(Op::Read { path: path.to_owned() }, READ_TIMEOUT).await {
        Ok(outcome) => Ok(Some(outcome)),
        Err(Unanswered::Fault(Fault { gone: true, .. })) => Ok(None),
        Err(other) => Err(other.to_string()),
    }
}

/// Runs a shell line on a node, with one argument, and gives its output.
async fn run(node: usize, script: &str, argument: &str, agent: &mut NodeAgent) -> Result<String, String> {
    let argv = ["sh", "-c", script, "sh", argument].map(ToOwned::to_owned).to_vec();
    let deadline_ms = u64::try_from(READ_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
    match agent.call(Op::Exec { target: Target::NodeAt(node), argv, deadline_ms }, READ_TIMEOUT + READ_TIMEOUT).await {
        Ok(Outcome::Ran { code: Some(0), stdout, .. }) => Ok(stdout),
        Ok(Outcome::Ran { stderr, .. }) => Err(stderr.trim().to_owned()),
        Ok(_) => Err("the agent gave an answer of another kind".to_owned()),
        Err(other) => Err(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(config: &str) -> Vec<(usize, String, String)> {
        let mut folders = LeaseFolders::default();
        folders.add(2, &NetworkConfig { network: "ns/n".into(), config: config.into(), plugins: 1 });
        folders.folders.into_iter().collect()
    }

    #[test]
    fn the_lease_folder_is_below_the_default_or_the_configured_folder() {
        let usual = r#"{"name":"n","type":"macvlan","ipam":{"type":"host-local"}}"#;
        assert_eq!(folders(usual), [(2, "/var/lib/cni/networks/n".to_owned(), "n".to_owned())]);
        let configured =
            r#"{"name":"n","plugins":[{"ipam":{"type":"host-local","dataDir":"/run/x/"}},{"type":"tuning"}]}"#;
        assert_eq!(folders(configured), [(2, "/run/x/n".to_owned(), "n".to_owned())]);
        assert_eq!(folders(r#"{"name":"n","type":"macvlan","ipam":{"type":"static"}}"#), []);
    }

    #[test]
    fn only_files_named_by_an_address_are_leases() {
        let names = ["10.0.0.2", "fd00::5", "last_reserved_ip.0", "lock"].map(ToOwned::to_owned);
        assert_eq!(leases(&names).collect::<Vec<_>>(), ["10.0.0.2", "fd00::5"]);
    }
}
