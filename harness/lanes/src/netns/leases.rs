//! What IPAM kept on a node when every pod is gone.

use super::networks::Configured;
use crate::agent::{LocalAgent, Unanswered};
use plumbline_core::protocol::{Fault, Op, Outcome, Target};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// Where host-local keeps its leases unless it is told otherwise (plugins, `host-local/backend/disk/backend.go`).
const USUAL: &str = "/var/lib/cni/networks";

/// For a look into a small folder.
const LOOK: Duration = Duration::from_secs(10);

/// Where leases of networks may lie: node, from 1, and folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders(BTreeSet<(usize, String)>);

impl Folders {
    /// Adds those of a network on a node: one for each host-local in its chain.
    pub fn add(&mut self, node: usize, configured: &Configured) {
        let Ok(whole) = serde_json::from_str::<Value>(&configured.config) else { return };
        let Some(name) = whole["name"].as_str() else { return };
        let plugins = whole["plugins"].as_array().map_or(std::slice::from_ref(&whole), Vec::as_slice);
        for ipam in plugins.iter().map(|plugin| &plugin["ipam"]).filter(|ipam| ipam["type"] == "host-local") {
            let folder = ipam["dataDir"].as_str().filter(|folder| !folder.is_empty()).unwrap_or(USUAL);
            self.0.insert((node, format!("{}/{name}", folder.trim_end_matches('/'))));
        }
    }

    /// The leases that are still there, each a line.
    pub async fn kept(&self, agent: &mut LocalAgent) -> Vec<String> {
        let mut lines = Vec::new();
        for (node, folder) in &self.0 {
            match names(*node, folder, agent).await {
                Ok(names) => lines.extend(leases(&names).map(|address| {
                    format!("node {node}: every pod is gone, and host-local still has {address} leased, in {folder}")
                })),
                Err(why) => lines.push(format!("node {node}: the leases in {folder} can't be looked at: {why}")),
            }
        }
        lines
    }
}

/// A lease is a file by the name of its address.
fn leases(names: &[String]) -> impl Iterator<Item = &String> {
    names.iter().filter(|name| name.parse::<IpAddr>().is_ok())
}

/// The names in a folder of a node; none where there is no such folder.
async fn names(node: usize, folder: &str, agent: &mut LocalAgent) -> Result<Vec<String>, String> {
    if node == 1 {
        return match agent.ask(Op::Read { path: folder.to_owned() }, LOOK).await {
            Ok(Outcome::File { names: Some(names), .. }) => Ok(names),
            Ok(_) => Err("it is no folder".to_owned()),
            Err(Unanswered::Fault(Fault { gone: true, .. })) => Ok(Vec::new()),
            Err(other) => Err(other.to_string()),
        };
    }
    // The other nodes' files are in mount namespaces of their own. A folder that is not there lists nothing.
    let script = "[ ! -e \"$1\" ] || ls -1 -- \"$1\"";
    let argv = ["sh", "-c", script, "sh", folder].map(ToOwned::to_owned).to_vec();
    let deadline_ms = u64::try_from(LOOK.as_millis()).unwrap_or(u64::MAX);
    match agent.ask(Op::Exec { target: Target::NodeAt(node), argv, deadline_ms }, LOOK + LOOK).await {
        Ok(Outcome::Ran { code: Some(0), stdout, .. }) => Ok(stdout.lines().map(ToOwned::to_owned).collect()),
        Ok(Outcome::Ran { stderr, .. }) => Err(stderr.trim().to_owned()),
        Ok(_) => Err("the agent gave another answer than was asked for".to_owned()),
        Err(other) => Err(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(config: &str) -> Vec<(usize, String)> {
        let mut folders = Folders::default();
        folders.add(2, &Configured { network: "ns/n".into(), config: config.into(), links: 1 });
        folders.0.into_iter().collect()
    }

    #[test]
    fn the_folder_is_the_networks_own_below_the_usual_or_the_one_told() {
        let usual = r#"{"name":"n","type":"macvlan","ipam":{"type":"host-local"}}"#;
        assert_eq!(folders(usual), [(2, "/var/lib/cni/networks/n".to_owned())]);
        let told = r#"{"name":"n","plugins":[{"ipam":{"type":"host-local","dataDir":"/run/x/"}},{"type":"tuning"}]}"#;
        assert_eq!(folders(told), [(2, "/run/x/n".to_owned())]);
        assert_eq!(folders(r#"{"name":"n","type":"macvlan","ipam":{"type":"static"}}"#), []);
    }

    #[test]
    fn only_files_that_are_addresses_are_leases() {
        let names = ["10.0.0.2", "fd00::5", "last_reserved_ip.0", "lock"].map(ToOwned::to_owned);
        assert_eq!(leases(&names).collect::<Vec<_>>(), ["10.0.0.2", "fd00::5"]);
    }
}
