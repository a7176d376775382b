//! The state of a network namespace as facts. A fact has a stable key and a value, both as text, so that two readings of
//! one namespace, a reading and a prediction, and two runs can be compared alike.
//!
//! A key has no index, handle or name that the kernel or a plugin chooses at random: a veth on the node whose other end is
//! an interface of the pod is named after that interface ([`peer_name`]). [`format`] has how they are written.

pub mod format;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FactKind {
    /// An attribute of a link; the item is the attribute, such as `mtu`. Each link has the attribute `kind`.
    Link,
    /// An address of a link; the item is the address with its prefix length.
    Address,
    /// A route; the link is the device of its only next hop, the item its destination with table and metric.
    Route,
    /// A policy routing rule; the item is the whole rule.
    Rule,
    /// A permanent or proxy neighbour of a link; the item is its address.
    Neighbour,
    /// A sysctl below `net`; the link is the device of one that belongs to a device, the item its path below `/proc/sys`.
    Sysctl,
    /// A rule, chain or set of nftables or iptables; the item is its text with table and chain.
    Firewall,
    /// A queueing discipline of a link; the item is its place.
    Qdisc,
    /// A file of the node that belongs to plugins: leases, backups; the item is its path.
    File,
    /// A mount of the node; the item is its place.
    Mount,
}

/// The stable identity of a fact within its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactKey {
    /// What it is about.
    pub kind: FactKind,
    /// The link that it belongs to; empty where it belongs to none.
    pub link: String,
    /// Which fact of that kind it is.
    pub item: String,
}

impl FactKey {
    /// The key of a kind, a link (may be empty) and an item.
    pub fn new(kind: FactKind, link: impl Into<String>, item: impl Into<String>) -> Self {
        Self { kind, link: link.into(), item: item.into() }
    }

    /// The key of an attribute of a link.
    pub fn link(link: impl Into<String>, attribute: impl Into<String>) -> Self {
        Self::new(FactKind::Link, link, attribute)
    }
}

impl Display for FactKey {
    /// As in `mtu of eth1`, `route 10.0.0.0/8 of eth1`, `sysctl net/ipv4/ip_forward`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            FactKind::Link => "",
            FactKind::Address => "address ",
            FactKind::Route => "route ",
            FactKind::Rule => "rule ",
            FactKind::Neighbour => "neighbour ",
            FactKind::Sysctl => "sysctl ",
            FactKind::Firewall => "firewall: ",
            FactKind::Qdisc => "queueing discipline ",
            FactKind::File => "file ",
            FactKind::Mount => "mount ",
        };
        write!(f, "{word}{}", self.item)?;
        let names_link = self.link.is_empty() || self.kind == FactKind::Sysctl;
        if names_link { Ok(()) } else { write!(f, " of {}", self.link) }
    }
}

/// The name under which a veth on the node stands whose other end is this interface of the pod: plugins choose the real
/// name at random.
pub fn peer_name(interface: &str) -> String {
    format!("peer({interface})")
}

/// All facts of one namespace at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<FactRow>", into = "Vec<FactRow>")]
pub struct NamespaceState {
    facts: BTreeMap<FactKey, String>,
}

/// A fact as it is written: kind, link, item, value.
#[derive(Clone, Serialize, Deserialize)]
struct FactRow(FactKind, String, String, String);

impl From<Vec<FactRow>> for NamespaceState {
    fn from(rows: Vec<FactRow>) -> Self {
        let fact = |FactRow(kind, link, item, value)| (FactKey { kind, link, item }, value);
        Self { facts: rows.into_iter().map(fact).collect() }
    }
}

impl From<NamespaceState> for Vec<FactRow> {
    fn from(state: NamespaceState) -> Self {
        state.facts.into_iter().map(|(key, value)| FactRow(key.kind, key.link, key.item, value)).collect()
    }
}

impl NamespaceState {
    /// Adds or replaces a fact.
    pub fn set(&mut self, key: FactKey, value: impl Into<String>) {
        self.facts.insert(key, value.into());
    }

    /// Adds a fact. If there is one of this key (two equal routes, two equal rules), the item gets a number.
    pub fn add(&mut self, key: FactKey, value: impl Into<String>) {
        let mut numbered = key.clone();
        let mut number = 1;
        while self.facts.contains_key(&numbered) {
            number += 1;
            numbered.item = format!("{} ({number})", key.item);
        }
        self.facts.insert(numbered, value.into());
    }

    /// The value of a fact.
    pub fn get(&self, key: &FactKey) -> Option<&str> {
        self.facts.get(key).map(String::as_str)
    }

    /// All facts, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&FactKey, &str)> {
        self.facts.iter().map(|(key, value)| (key, value.as_str()))
    }

    /// The facts of one kind that belong to one link, by item.
    pub fn of_link<'a>(&'a self, kind: FactKind, link: &'a str) -> impl Iterator<Item = (&'a FactKey, &'a str)> {
        let first = FactKey::new(kind, link, "");
        let of_link = move |(key, _): &(&FactKey, &String)| key.kind == kind && key.link == link;
        self.facts.range(first..).take_while(of_link).map(|(key, value)| (key, value.as_str()))
    }

    /// Keeps the facts of which `is_kept` says so.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&FactKey, &str) -> bool) {
        self.facts.retain(|key, value| is_kept(key, value));
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there is no fact.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// What differs in a later state, by key.
    pub fn changes_to(&self, later: &Self, subject: Subject) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut add = |key: &FactKey, before: Option<&String>, after: Option<&String>| {
            changes.push(Change { subject, key: key.clone(), before: before.cloned(), after: after.cloned() });
        };
        let (mut old, mut new) = (self.facts.iter().peekable(), later.facts.iter().peekable());
        loop {
            match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some((key, value)), other) if other.is_none_or(|(next, _)| key < next) => {
                    add(key, Some(value), None);
                    old.next();
                }
                (other, Some((key, value))) if other.is_none_or(|(next, _)| key < next) => {
                    add(key, None, Some(value));
                    new.next();
                }
                (Some((key, before)), Some((_, after))) => {
                    if before != after {
                        add(key, Some(before), Some(after));
                    }
                    old.next();
                    new.next();
                }
                _ => break,
            }
        }
        changes
    }

    /// Applies the changes of this subject.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>, subject: Subject) {
        for change in changes.into_iter().filter(|change| change.subject == subject) {
            match &change.after {
                Some(value) => self.facts.insert(change.key.clone(), value.clone()),
                None => self.facts.remove(&change.key),
            };
        }
    }
}

/// Whose namespace a fact is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// The pod's.
    Pod,
    /// The node's, with the files of its plugins.
    Node,
}

impl Subject {
    /// The word for it: `pod`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Node => "node",
        }
    }
}

/// A fact that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ChangeRow", into = "ChangeRow")]
pub struct Change {
    /// Whose namespace.
    pub subject: Subject,
    /// Which fact.
    pub key: FactKey,
    /// Its value before; none where it did not exist.
    pub before: Option<String>,
    /// Its value after; none where it does not exist any more.
    pub after: Option<String>,
}

/// A change as it is written: subject, kind, link, item, before, after.
#[derive(Clone, Serialize, Deserialize)]
struct ChangeRow(Subject, FactKind, String, String, Option<String>, Option<String>);

impl From<ChangeRow> for Change {
    fn from(ChangeRow(subject, kind, link, item, before, after): ChangeRow) -> Self {
        Self { subject, key: FactKey { kind, link, item }, before, after }
    }
}

impl From<Change> for ChangeRow {
    fn from(change: Change) -> Self {
        let FactKey { kind, link, item } = change.key;
        Self(change.subject, kind, link, item, change.before, change.after)
    }
}

/// The state of a pod and of its node, read together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodAndNode {
    /// The pod's namespace.
    pub pod: NamespaceState,
    /// The node's namespace and files.
    pub node: NamespaceState,
}

impl PodAndNode {
    /// The state of a subject.
    pub fn of(&self, subject: Subject) -> &NamespaceState {
        match subject {
            Subject::Pod => &self.pod,
            Subject::Node => &self.node,
        }
    }

    /// What differs in a later state, the pod's changes first.
    pub fn changes_to(&self, later: &Self) -> Vec<Change> {
        let mut changes = self.pod.changes_to(&later.pod, Subject::Pod);
        changes.extend(self.node.changes_to(&later.node, Subject::Node));
        changes
    }

    /// Applies changes.
    pub fn apply(&mut self, changes: &[Change]) {
        self.pod.apply(changes, Subject::Pod);
        self.node.apply(changes, Subject::Node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(facts: &[(&str, &str, &str)]) -> NamespaceState {
        let mut state = NamespaceState::default();
        facts.iter().for_each(|(link, item, value)| state.set(FactKey::link(*link, *item), *value));
        state
    }

    #[test]
    fn changes_name_what_came_what_went_and_what_is_different() {
        let before = state(&[("eth0", "mtu", "1500"), ("eth0", "mac", "a"), ("lo", "mtu", "65536")]);
        let after = state(&[("eth0", "mtu", "1400"), ("eth1", "mtu", "1500"), ("lo", "mtu", "65536")]);
        let changes = before.changes_to(&after, Subject::Pod);
        let shown: Vec<_> =
            changes.iter().map(|one| (one.key.to_string(), one.before.as_deref(), one.after.as_deref())).collect();
        assert_eq!(
            shown,
            [
                ("mac of eth0".to_owned(), Some("a"), None),
                ("mtu of eth0".to_owned(), Some("1500"), Some("1400")),
                ("mtu of eth1".to_owned(), None, Some("1500")),
            ]
        );
        let mut applied = before.clone();
        applied.apply(&changes, Subject::Node);
        assert_eq!(applied, before, "another subject's changes do not count");
        applied.apply(&changes, Subject::Pod);
        assert_eq!(applied, after);
        assert_eq!(after.changes_to(&after, Subject::Pod), []);
    }

    #[test]
    fn two_equal_keys_get_numbers() {
        let mut state = NamespaceState::default();
        let key = FactKey::new(FactKind::Route, "eth0", "10.0.0.0/8");
        state.add(key.clone(), "via 10.1.1.1");
        state.add(key.clone(), "via 10.1.1.2");
        let items: Vec<_> =
            state.of_link(FactKind::Route, "eth0").map(|(key, value)| (key.item.as_str(), value)).collect();
        assert_eq!(items, [("10.0.0.0/8", "via 10.1.1.1"), ("10.0.0.0/8 (2)", "via 10.1.1.2")]);
        assert_eq!(key.to_string(), "route 10.0.0.0/8 of eth0");
    }

    #[test]
    fn a_state_is_written_as_rows() {
        let state = state(&[("eth0", "mtu", "1500")]);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(text, r#"[["link","eth0","mtu","1500"]]"#);
        assert_eq!(serde_json::from_str::<NamespaceState>(&text).unwrap(), state);
        let change = &NamespaceState::default().changes_to(&state, Subject::Node)[0];
        assert_eq!(serde_json::to_string(change).unwrap(), r#"["node","link","eth0","mtu",null,"1500"]"#);
    }
}
