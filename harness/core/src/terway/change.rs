//! What `apply` would change: the custom chain and nothing else.

use super::eni_config::{CONF, CONFLIST, ENI_CONF, EniConfig};
use super::json_text::JsonText;
use crate::finding::{Finding, FindingCode};
use crate::scenario::node::Position;

/// The change of a cluster's `eni-config` that a file requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The cluster's chain, byte for byte; none where it has none of its own.
    pub from: Option<String>,
    /// The requested chain. None if the chain is to be removed.
    pub to: Option<String>,
    /// The cluster's configuration as it would be.
    pub merged: EniConfig,
    /// What the file would change beside the chain: each refuses it.
    pub findings: Vec<Finding>,
    /// Whether the file says nothing of the chain, so that the cluster's stays.
    pub unsaid: bool,
}

impl Change {
    /// Whether there is nothing to do.
    pub fn is_none(&self) -> bool {
        self.from == self.to
    }

    /// The change line by line: `-` for what goes, `+` for what comes, a blank for what stays.
    pub fn lines(&self) -> Vec<(char, String)> {
        diff(self.from.as_deref().unwrap_or_default(), self.to.as_deref().unwrap_or_default())
    }
}

/// The change from a cluster's configuration to that of a file. The chain is taken as the file has it; a file without
/// the key leaves it, one that gives it as null takes it away. Every other key of the file must be as the cluster has it.
pub fn change(cluster: &EniConfig, file: &EniConfig) -> Change {
    let from = cluster.text(CONFLIST).map(str::to_owned);
    let to = match file.text(CONFLIST) {
        Some(text) => Some(text.to_owned()),
        None if file.removed.contains(CONFLIST) => None,
        None => from.clone(),
    };
    let mut findings = Vec::new();
    for (key, text) in file.data.iter().filter(|(key, _)| *key != CONFLIST) {
        let is_json = [CONF, ENI_CONF].contains(&key.as_str());
        let problem = match cluster.text(key) {
            Some(there) if there == text || (is_json && same_json(there, text)) => continue,
            Some(_) => "is not as the cluster has it",
            None => "is not in the cluster's",
        };
        let entry = Finding::new(FindingCode::PL638, format!("`{key}` {problem}: apply writes the chain alone"));
        let note = match key.as_str() {
            CONF => "the document: 10-terway.conf is not to be changed",
            _ => "leave the key out of the file, or take over what the cluster has",
        };
        findings.push(entry.source(&file.source_of(key, Position { line: 1, column: 1 })).notes([note]));
    }
    for key in file.removed.iter().filter(|key| *key != CONFLIST && cluster.text(key).is_some()) {
        let message = format!("`{key}` would be taken away: apply writes the chain alone");
        findings.push(Finding::new(FindingCode::PL638, message).source(&file.source));
    }
    let unsaid = file.text(CONFLIST).is_none() && !file.removed.contains(CONFLIST);
    Change { from, to, merged: cluster.with_chain(file), findings, unsaid }
}

fn same_json(a: &str, b: &str) -> bool {
    matches!((JsonText::read(a).value, JsonText::read(b).value), (Ok(a), Ok(b)) if a == b)
}

/// Lines of two texts side by side, by their longest common sequence.
fn diff(from: &str, to: &str) -> Vec<(char, String)> {
    let (a, b): (Vec<&str>, Vec<&str>) = (from.lines().collect(), to.lines().collect());
    let mut common = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push((' ', a[i].to_owned()));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push(('-', a[i].to_owned()));
            i += 1;
        } else {
            out.push(('+', b[j].to_owned()));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "{ \"type\": \"terway\" }";

    fn cluster() -> EniConfig {
        let keys = [
            (CONF, ENTRY),
            (CONFLIST, "{\n  \"plugins\": [\n    { \"type\": \"terway\" }\n  ]\n}\n"),
            ("disable_network_policy", "true"),
        ];
        EniConfig::of_cluster(keys.map(|(key, text)| (key.to_owned(), text.to_owned())).into())
    }

    fn file(data: &str) -> EniConfig {
        EniConfig::read("f.yaml", &format!("kind: ConfigMap\nmetadata: {{ name: eni-config }}\ndata:\n{data}")).unwrap()
    }

    #[test]
    fn the_chain_alone_is_changed_line_by_line() {
        let change = change(
            &cluster(),
            &file(
                "  10-terway.conf: '{\"type\":\"terway\"}'\n  10-terway.conflist: |\n    {\n      \"plugins\": [\n        { \"type\": \"terway\" },\n        { \"type\": \"portmap\" }\n      ]\n    }\n",
            ),
        );
        assert!(change.findings.is_empty() && !change.is_none(), "{:?}", change.findings);
        let shown: String = change.lines().iter().map(|(mark, line)| format!("{mark}{}|", line.trim())).collect();
        assert_eq!(
            shown,
            " {| \"plugins\": [|-{ \"type\": \"terway\" }|+{ \"type\": \"terway\" },|+{ \"type\": \"portmap\" }| ]| }|"
        );
        assert_eq!(change.merged.text("disable_network_policy"), Some("true"));
        assert_eq!(change.merged.text(CONF), Some(ENTRY), "the cluster's own text stays");
        assert_eq!(change.merged.source_of(CONFLIST, Position { line: 2, column: 3 }).to_string(), "f.yaml:7:7");
    }

    #[test]
    fn a_file_without_the_chain_leaves_it_and_null_takes_it_away() {
        assert!(change(&cluster(), &file("  10-terway.conf: '{\"type\":\"terway\"}'\n")).is_none());
        let gone = change(&cluster(), &file("  10-terway.conflist: null\n"));
        assert_eq!((gone.to.as_deref(), gone.merged.text(CONFLIST), gone.findings.len()), (None, None, 0));
        assert!(gone.merged.whole && gone.lines().iter().all(|(mark, _)| *mark == '-'));
    }

    #[test]
    fn nothing_else_may_be_changed() {
        for (data, part) in [
            ("  10-terway.conf: '{\"type\":\"terway\",\"mtu\":1400}'\n", "`10-terway.conf` is not as"),
            ("  disable_network_policy: \"false\"\n", "`disable_network_policy` is not as"),
            ("  eni_conf: '{}'\n", "`eni_conf` is not in the cluster's"),
            ("  10-terway.conf: null\n", "`10-terway.conf` would be taken away"),
        ] {
            let findings = change(&cluster(), &file(data)).findings;
            assert_eq!(findings.len(), 1, "{data}");
            assert!(
                findings[0].code == FindingCode::PL638 && findings[0].message.contains(part),
                "{data}: {findings:?}"
            );
        }
    }
}
