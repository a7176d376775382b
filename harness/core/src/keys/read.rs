//! Reads the table's text.
//!
//! ```text
//! source plugins github.com/containernetworking/plugins 1.0.1 1.2.0 1.3.0
//! plugin plugins bridge main 1.0.1 -
//!   vlanTrunk/minID integer 1.3.0 - plugins/main/bridge/bridge.go:75 unread # what to know of it
//! ```
//! A `source` has a name, a module and the releases that were read. A `plugin` or `object` has its source, name, kind,
//! first release, and first release without it. A key has a path (a `/` in a key is `~1`), a JSON type, first release,
//! first release without it, source, flags, and a note behind `#`.

use super::json_type::JsonType;
use super::key::{Edge, Key};
use super::table::{KeyTable, Kind, Object, PluginKeys, Source};
use crate::release::Release;
use std::sync::LazyLock;

/// The table that `images/keys` makes.
const TEXT: &str = include_str!("table.txt");

static EMBEDDED: LazyLock<KeyTable> = LazyLock::new(|| KeyTable::parse(TEXT).unwrap_or_default());

/// What a table's text has wrong. The embedded text has no error: a test reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("key table, line {line}: {message}")]
pub struct TableError {
    /// Line of the text, from 1.
    pub line: usize,
    /// What was expected and found.
    pub message: String,
}

/// Where key lines belong to.
enum Owner {
    Plugin(usize),
    Object(usize),
}

impl KeyTable {
    /// The table that is embedded in this program.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a table's text.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let mut table = Self::default();
        let mut owner = None;
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            table.read_line(line, &mut owner).map_err(|message| TableError { line: index + 1, message })?;
        }
        Ok(table)
    }

    fn read_line(&mut self, line: &str, owner: &mut Option<Owner>) -> Result<(), String> {
        if line.starts_with(' ') {
            let keys = match owner {
                Some(Owner::Plugin(index)) => self.plugins.get_mut(*index),
                Some(Owner::Object(index)) => self.objects.get_mut(*index).map(|(_, keys)| keys),
                None => None,
            };
            let keys = keys.ok_or("key has no plugin or object above it")?;
            let source = self.sources.iter().find(|source| source.name == keys.source).ok_or("unknown source")?;
            keys.keys.push(read_key(line, source, &self.sources)?);
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["source", name, module, ref releases @ ..] => {
                let releases = releases.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
                self.sources.push(Source { name: name.to_owned(), module: module.to_owned(), releases });
            }
            ["plugin", source, name, kind, since, until] => {
                let kind = match kind {
                    "main" => Kind::Main,
                    "meta" => Kind::Meta,
                    "ipam" => Kind::Ipam,
                    "other" => Kind::Other,
                    other => return Err(format!("kind: expected main, meta, ipam or other, found {other}")),
                };
                *owner = Some(Owner::Plugin(self.plugins.len()));
                self.plugins.push(keys_of(source, name, kind, since, until)?);
            }
            ["object", source, name, since, until] => {
                let object = match name {
                    "list" => Object::NetworkList,
                    "every-plugin" => Object::EveryPlugin,
                    "delegate" => Object::Delegate,
                    "network-selection" => Object::NetworkSelection,
                    "eni-conf" => Object::EniConf,
                    "eni-config-map" => Object::EniConfigMap,
                    other => return Err(format!("object: `{other}` is unknown")),
                };
                *owner = Some(Owner::Object(self.objects.len()));
                self.objects.push((object, keys_of(source, name, Kind::Other, since, until)?));
            }
            _ => return Err(format!("line: expected source, plugin or object with their columns, found `{line}`")),
        }
        Ok(())
    }
}

fn keys_of(source: &str, name: &str, kind: Kind, since: &str, until: &str) -> Result<PluginKeys, String> {
    Ok(PluginKeys {
        name: name.to_owned(),
        kind,
        source: source.to_owned(),
        since: since.parse()?,
        until: read_until(until)?,
        keys: Vec::new(),
    })
}

fn read_until(text: &str) -> Result<Option<Release>, String> {
    if text == "-" { Ok(None) } else { text.parse().map(Some) }
}

fn read_key(line: &str, source: &Source, sources: &[Source]) -> Result<Key, String> {
    let (columns, note) = match line.split_once(" # ") {
        Some((columns, note)) => (columns, Some(note.to_owned())),
        None => (line, None),
    };
    let mut words = columns.split_whitespace();
    let mut next = |name: &str| words.next().ok_or_else(|| format!("column `{name}` is missing"));
    let path = next("path")?.split('/').map(|key| key.replace("~1", "/")).collect();
    let json_type = next("type")?;
    let json_type = JsonType::read(json_type).ok_or_else(|| format!("type: `{json_type}` is unknown"))?;
    let since = next("since")?.parse()?;
    let until = read_until(next("until")?)?;
    let place = next("source")?;
    let mut key = Key {
        path,
        json_type,
        since,
        until,
        read: true,
        exact_case: false,
        internal: false,
        deprecated: false,
        note,
        source: place_of(place, since, source, sources),
        last_without: edge_before(since, source),
        last_with: until.and_then(|until| edge_before(until, source)),
    };
    for flag in words {
        match flag {
            "unread" => key.read = false,
            "exact-case" => key.exact_case = true,
            "exact-since" => key.last_without = Some(Edge::Exact),
            "internal" => key.internal = true,
            "deprecated" => key.deprecated = true,
            other => return Err(format!("flag: `{other}` is unknown")),
        }
    }
    Ok(key)
}

/// What is known of the releases before a change. A release that was not read is in a reviewed line only, which
/// names it exactly.
fn edge_before(change: Release, source: &Source) -> Option<Edge> {
    if !source.releases.contains(&change) {
        return Some(Edge::Exact);
    }
    source.releases.iter().rfind(|release| **release < change).map(|release| Edge::Read(*release))
}

/// A place with module and release: `cni@v1.3.1/pkg/types/types.go:75` names another source, or a module.
fn place_of(place: &str, since: Release, source: &Source, sources: &[Source]) -> String {
    if place.contains("://") {
        return place.to_owned();
    }
    match place.split_once('@').and_then(|(module, rest)| Some((module, rest.split_once('/')?))) {
        Some((name, (version, file))) => {
            let module = sources.iter().find(|source| source.name == name).map_or(name, |source| &source.module);
            format!("{module}@{version} {file}")
        }
        None => format!("{}@v{since} {place}", source.module),
    }
}
