//! Reads the files of a node of Plumbline with one program, because starting a program costs far more than reading.

use super::handle::ClusterHandle;
use plumbline_core::release::Release;
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;

/// Prints all files.
const SCRIPT: &str = include_str!("node_files.sh");
/// The path of the conflist on a node (Terway's `daemon/server.go`).
const CONFLIST: &str = "/etc/cni/net.d/10-terway.conflist";
/// The folder of the plugins.
const PLUGINS: &str = "/opt/cni/bin";
/// The plugin whose version is read.
const PORTMAP: &str = "portmap";
/// The folder of libcni's cached results (`libcni/api.go`, `CacheDir`).
pub(super) const RECORDS: &str = "/var/lib/cni/results";

/// The files of a node.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NodeFiles {
    /// The plugins, each with its version if known; none if their folder can't be listed.
    pub plugins: Option<BTreeMap<String, Option<Release>>>,
    /// The conflist.
    pub conflist: Option<String>,
    /// The reason why the conflist can't be read.
    pub unread: Option<String>,
}

/// Reads the files of a node; none for a user's cluster.
///
/// # Errors
/// `TestbedError` when the node does not answer.
pub(super) async fn read_files(handle: &ClusterHandle, node: &str) -> Result<Option<NodeFiles>, TestbedError> {
    let argv = ["sh", "-c", SCRIPT, "sh", PLUGINS, CONFLIST];
    let ran = handle.run_on_node(node, &argv).await?;
    Ok(ran.map(|(read, stdout, stderr)| parse(&stdout, (!read).then_some(stderr.trim()))))
}

fn parse(stdout: &str, unread: Option<&str>) -> NodeFiles {
    let (names, rest) = match stdout.strip_prefix('\n') {
        Some(rest) => ("", rest),
        None => stdout.split_once("\n\n").unwrap_or_default(),
    };
    let (portmap, conflist) = rest.split_once('\n').unwrap_or_default();
    let mut names = names.lines();
    let there = names.next().is_some();
    let version = |name: &str| if name == PORTMAP { Release::find(portmap) } else { None };
    let plugins = names.map(|name| (name.to_owned(), version(name))).collect();
    let conflist = unread.is_none().then(|| conflist.to_owned());
    NodeFiles { plugins: there.then_some(plugins), conflist, unread: unread.map(str::to_owned) }
}

/// The runtime's records of a pod's networks, each with its file; none for a user's cluster.
///
/// # Errors
/// `TestbedError` when the node does not answer.
pub(super) async fn read_records(
    handle: &ClusterHandle,
    node: &str,
    uid: &str,
) -> Result<Option<Vec<(String, String)>>, TestbedError> {
    // A record is one line (`libcni/api.go`, `cacheAdd`).
    let ran = handle.run_on_node(node, &["grep", "-r", uid, RECORDS]).await?;
    let of_line = |line: &str| line.split_once(':').map(|(file, record)| (file.to_owned(), record.to_owned()));
    Ok(ran.map(|(_, stdout, _)| stdout.lines().filter_map(of_line).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "CNI portmap plugin v1.9.1 CNI protocol versions supported: 0.1.0, 1.1.0 ";

    #[test]
    fn plugins_versions_and_the_conflist_are_parsed() {
        let list = "{\n\n \"plugins\": [] }";
        let seen = parse(&format!("plugins\nbridge\nportmap\n\n{VERSION}\n{list}"), None);
        let plugins = seen.plugins.unwrap();
        assert_eq!(plugins.keys().collect::<Vec<_>>(), ["bridge", "portmap"]);
        assert_eq!((plugins["bridge"], plugins["portmap"]), (None, "1.9.1".parse().ok()));
        assert_eq!(seen.conflist.unwrap(), list);
    }

    #[test]
    fn unreadable_parts_are_none() {
        let seen = parse("\n\n", Some("no such file"));
        assert_eq!(seen, NodeFiles { plugins: None, conflist: None, unread: Some("no such file".into()) });
        let seen = parse("plugins\n\n\n{}", None);
        assert_eq!(seen, NodeFiles { plugins: Some(BTreeMap::new()), conflist: Some("{}".into()), unread: None });
    }
}
