//! Rules about keys: unknown ones, those of other releases, other letter case, wrong JSON types.
//!
//! The keys come from the plugins' sources ([`crate::keys`]). Of a plugin that is not in the table nothing is checked.

use super::context::{Context, Use};
use super::typed_values::short;
use super::view::{PluginView, finding};
use crate::chain::{Chain, go_key};
use crate::finding::{Finding, FindingCode};
use crate::keys::{JsonType, Key, KeyState, KeyTable, Kind, Object, PluginKeys};
use crate::plan::Network;
use crate::release::Release;
use crate::suggestion::suggest;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Objects whose keys are free.
const FREE: [&str; 2] = ["prevResult", "capabilities"];

/// Objects that the runtime fills: other programs may read keys of them, and those that are known have their types.
const OF_RUNTIME: [&str; 2] = ["runtimeConfig", "args"];

/// Whether a plugin reads a capability's data; none for a plugin that is not known.
pub(super) fn reads_runtime_key(plugin: &str, capability: &str) -> Option<bool> {
    let keys = KeyTable::embedded().plugin(plugin)?;
    Some(keys.find(&["runtimeConfig"], capability).is_some_and(|key| key.read))
}

/// Checks the keys of one plugin, with those of its IPAM plugin.
pub(super) fn check(
    network: &Network,
    chain: &Chain,
    plugin: &PluginView<'_>,
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
) {
    let table = KeyTable::embedded();
    // An IPAM plugin instead of a main one is reported as that.
    let Some(own) = table.plugin(plugin.plugin).filter(|own| own.kind != Kind::Ipam) else { return };
    // Terway's lint knows which of its programs reads a key, and in which letters.
    if context.network_use == Use::Terway && own.source == "terway" {
        return;
    }
    let ipam = table.plugin(plugin.ipam_type());
    let skips_ipam = ipam.is_none();
    let readers = [Some(own), ipam, table.object(Object::EveryPlugin)].into_iter().flatten().collect();
    let mut checker = Checker { network, chain, plugin, context, readers, skips_ipam, findings };
    checker.check_object(plugin.conf, &mut Vec::new(), "");
}

/// A key, and what reads it.
type Found = (&'static PluginKeys, &'static Key);

struct Checker<'a> {
    network: &'a Network,
    chain: &'a Chain,
    plugin: &'a PluginView<'a>,
    context: &'a Context<'a>,
    /// Everything that reads the configuration: the plugin, its IPAM plugin, and what is common to all.
    readers: Vec<&'static PluginKeys>,
    /// Whether there is no IPAM plugin, or an unknown one.
    skips_ipam: bool,
    findings: &'a mut Vec<Finding>,
}

impl Checker<'_> {
    fn add(&mut self, code: FindingCode, place: &str, message: String, notes: impl IntoIterator<Item = String>) {
        let entry = finding(self.network, code, &self.plugin.path(place), message);
        self.findings.push(entry.notes(notes));
    }

    /// Checks the object at a path. `place` is the way to it with the positions in lists.
    fn check_object(&mut self, object: &Map<String, Value>, path: &mut Vec<&'static str>, place: &str) {
        // The key that each known one was written as last.
        let mut written: HashMap<&'static str, &String> = HashMap::new();
        for (key, value) in object {
            let is_top = path.is_empty();
            // A bare plugin may have keys of a list too: Multus and libcni drop them.
            let is_of_list = is_top && !self.chain.is_list && self.find(path, key).is_empty() && is_of_list(key);
            let is_unread_ipam = is_top && self.skips_ipam && key.eq_ignore_ascii_case("ipam") && is_ipam(value);
            if is_comment(key) || is_of_list || is_unread_ipam {
                continue;
            }
            let place = if place.is_empty() { key.clone() } else { format!("{place}/{key}") };
            let found = self.find(path, key);
            let Some((_, known)) = found.first() else {
                if path.first().is_none_or(|top| !OF_RUNTIME.contains(top)) {
                    self.add_unknown(key, value, path, &place);
                }
                continue;
            };
            if let Some(first) = written.insert(known.name(), key) {
                self.add_same_key(first, key, known, &place);
            }
            let (current, other): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|(reader, key)| self.is_current(reader, key));
            match (current.first(), other.first()) {
                (Some(_), _) => self.check_known(key, value, &current, path, &place),
                (None, Some((reader, known))) => self.add_other_release(reader, known, &place),
                (None, None) => {}
            }
        }
    }

    /// Two keys of one object that the decoder takes for the same. Their order is that of their bytes, as libcni writes it.
    fn add_same_key(&mut self, first: &str, second: &str, known: &Key, place: &str) {
        let first_place = place.strip_suffix(second).map(|parent| format!("{parent}{first}")).unwrap_or_default();
        let message = format!("`{first}` and `{second}` are the same key: `{second}` counts");
        let first = self.network.place(&self.plugin.path(&first_place)).clone();
        let notes = [
            format!("both are read as `{}`: letter case does not matter, and libcni sorts the keys", known.name()),
            format!("the other one is at {first}"),
        ];
        self.add(FindingCode::PL635, place, message, notes);
    }

    /// What every reader has under a name; a key whose type changed stands there once for each type.
    fn find(&self, path: &[&str], key: &str) -> Vec<Found> {
        let of_reader = |reader: &'static PluginKeys| {
            let name = reader.find(path, key).map(Key::name);
            let same = move |known: &&Key| Some(known.name()) == name;
            reader.at(path).filter(same).map(|known| (reader, known)).collect::<Vec<_>>()
        };
        self.readers.iter().copied().flat_map(of_reader).collect()
    }

    /// The name of what reads a key: what is common to all plugins has none of its own.
    fn name_of<'b>(&'b self, reader: &'b PluginKeys) -> &'b str {
        let is_common =
            KeyTable::embedded().object(Object::EveryPlugin).is_some_and(|common| common.name == reader.name);
        if is_common { self.plugin.plugin } else { &reader.name }
    }

    /// The release of what reads a key.
    fn release(&self, reader: &PluginKeys) -> Release {
        self.context.releases.of(&reader.name, &reader.source)
    }

    /// Whether the assumed release has a key, or may have it.
    fn is_current(&self, reader: &PluginKeys, key: &Key) -> bool {
        matches!(key.state_in(self.release(reader)), KeyState::Read | KeyState::Unknown)
    }

    /// Checks a key that the release has.
    fn check_known(
        &mut self,
        written: &str,
        value: &Value,
        found: &[Found],
        path: &mut Vec<&'static str>,
        place: &str,
    ) {
        let Some((reader, known)) = found.first().copied() else { return };
        if !path.is_empty() && found.iter().all(|(_, key)| key.internal) {
            let message = format!("{} has no key `{written}`: it is ignored", self.name_of(reader));
            return self.add(FindingCode::PL602, place, message, known.note.clone());
        }
        if found.iter().any(|(_, key)| key.deprecated) {
            let message = format!("the key `{written}` of {} is deprecated", self.name_of(reader));
            self.add(FindingCode::PL611, place, message, known.note.clone());
        }
        // In a run the effect of the key is seen.
        let is_run = self.context.network_use == Use::Run;
        if !is_run && found.iter().all(|(_, key)| key.name() != written) {
            let message = format!("`{written}` is read as `{}`: letter case does not matter", known.name());
            self.add(FindingCode::PL612, place, message, []);
        }
        if found.iter().all(|(_, key)| !key.read) {
            let message = format!("{} decodes the key `{written}` and does not use it", self.name_of(reader));
            self.add(FindingCode::PL602, place, message, known.note.clone());
        }
        if let Some((reader, key)) = found.iter().find(|(_, key)| !key.json_type.accepts(value)) {
            let reader = self.name_of(reader).to_owned();
            self.add_wrong_type(&reader, written, value, &key.json_type, place);
            return;
        }
        let is_free = path.is_empty() && FREE.contains(&known.name());
        if !is_free && found.iter().any(|(_, key)| *key.json_type.element() == JsonType::Object) {
            path.push(known.name());
            self.check_value(value, path, place);
            path.pop();
        }
    }

    /// Adds a value of a wrong type; of an object with free keys the entry that has it.
    fn add_wrong_type(&mut self, reader: &str, written: &str, value: &Value, wanted: &JsonType, place: &str) {
        if let (JsonType::Map(of), Value::Object(entries)) = (wanted, value)
            && let Some((key, value)) = entries.iter().find(|(_, value)| !of.accepts(value))
        {
            return self.add_wrong_type(reader, key, value, of, &format!("{place}/{key}"));
        }
        let message = format!("`{written}` is {}; {reader} wants {wanted}", short(value));
        self.add(FindingCode::PL609, place, message, ["the plugin ends with an error for every pod".to_owned()]);
    }

    /// Checks an object, or the objects of a list, however deep.
    fn check_value(&mut self, value: &Value, path: &mut Vec<&'static str>, place: &str) {
        match value {
            Value::Object(object) => self.check_object(object, path, place),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check_value(item, path, &format!("{place}/{index}"));
                }
            }
            _ => {}
        }
    }

    fn add_other_release(&mut self, reader: &PluginKeys, known: &Key, place: &str) {
        let release = self.release(reader);
        let (name, key) = (self.name_of(reader).to_owned(), known.name());
        let (verb, note) = match known.until.filter(|until| release >= *until) {
            Some(until) => ("no longer reads", format!("releases before {until} read it")),
            None => ("does not read", format!("releases from {} on read it", known.since)),
        };
        let message = format!("{name} of {} {release} {verb} `{key}`: it is ignored", reader.source);
        self.add(FindingCode::PL610, place, message, [note].into_iter().chain(known.note.clone()));
    }

    fn add_unknown(&mut self, key: &str, value: &Value, path: &[&'static str], place: &str) {
        // What stands below `ipam` is the IPAM plugin's.
        let reader = match path.first() {
            Some(&"ipam") => self.readers.get(1).map_or("ipam", |reader| reader.name.as_str()),
            _ => self.plugin.plugin,
        };
        if path.is_empty() && key.eq_ignore_ascii_case("vlan") && matches!(reader, "macvlan" | "ipvlan") {
            let effect = format!("the interface is not on VLAN {}, its frames are untagged", short(value));
            let notes = [
                "no release of the plugin reads it".to_owned(),
                "for a tagged interface, use master NAME.ID, or the vlan plugin with vlanId".to_owned(),
            ];
            return self.add(FindingCode::PL601, place, format!("{reader} has no key `{key}`: {effect}"), notes);
        }
        let common = KeyTable::embedded().object(Object::EveryPlugin);
        let is_common = |key: &&Key| common.is_some_and(|common| common.find(path, key.name()).is_some());
        let this = &*self;
        let readers = this.readers.iter().copied().filter(|reader| path.is_empty() != (reader.kind == Kind::Ipam));
        let mut known: Vec<&str> = readers
            .flat_map(|reader| reader.at(path).filter(move |key| this.is_current(reader, key)))
            .filter(|key| !key.internal && key.read && !is_common(key))
            .map(Key::name)
            .collect();
        known.sort_unstable();
        known.dedup();
        let all = self.readers.iter().flat_map(|reader| reader.at(path)).filter(|key| !key.internal).map(Key::name);
        let mut notes: Vec<String> = suggest(key, all).into_iter().collect();
        if notes.is_empty() {
            let mut others = KeyTable::embedded().plugins().iter().filter(|other| other.find(path, key).is_some());
            notes.extend(others.next().map(|other| format!("it is a key of {}", other.name)));
        }
        let (reader, of) = if path.is_empty() || *path == ["ipam"] {
            (reader.to_owned(), String::new())
        } else {
            (reader.to_owned(), format!(" in `{}`", path.join(".")))
        };
        let kind = if path.first() == Some(&"ipam") { "ipam plugin " } else { "" };
        if path.len() < 2 && !known.is_empty() {
            notes.push(format!("{reader} reads: {}", known.join(", ")));
        }
        let message = format!("{kind}{reader} has no key `{key}`{of}: it is ignored");
        self.add(FindingCode::PL602, place, message, notes);
    }
}

/// Whether a value can be decoded as `ipam` of an IPAM plugin that is not known, or of none.
fn is_ipam(value: &Value) -> bool {
    match value {
        Value::Object(ipam) => go_key(ipam, "type").is_none_or(|plugin| plugin.is_string() || plugin.is_null()),
        other => other.is_null(),
    }
}

/// Whether a list has a key, with the same letter case.
fn is_of_list(key: &str) -> bool {
    KeyTable::embedded().object(Object::NetworkList).is_some_and(|list| list.find(&[], key).is_some())
}

/// Whether a key is meant as a comment, for which JSON has no form.
pub(super) fn is_comment(key: &str) -> bool {
    key.starts_with(['_', '#', '/']) || key.eq_ignore_ascii_case("comment")
}
