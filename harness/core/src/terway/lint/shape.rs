//! Are the keys there, are they JSON, and is there a chain in them.

use super::Linter;
use crate::finding::FindingCode;
use crate::keys::{Key, KeyTable, Object, PluginKeys};
use crate::rules::typed_values::{Mismatch, MismatchKind, check_object};
use crate::scenario::node::Position;
use crate::suggestion::suggest;
use crate::terway::JsonText;
use crate::terway::eni_config::{CNI_CHAIN, CONF, CONFLIST, ENI_CONF, POLICY};
use crate::terway::expected::{self, NodeFacts, TERWAY};
use serde_json::{Map, Value};

/// The keys that terway-cli reads (`cmd/terway-cli/common.go`, `getAllConfig`).
const KNOWN: [&str; 6] = [ENI_CONF, CONF, CONFLIST, POLICY, "in_cluster_loadbalance", CNI_CHAIN];

pub(super) fn lint(linter: &mut Linter<'_>) {
    let config = linter.config;
    keys(linter);
    let mut all_json = true;
    for key in [ENI_CONF, CONF, CONFLIST] {
        let Some(json) = config.json(key) else { continue };
        linter.check();
        match &json.value {
            Err(problem) => {
                all_json = false;
                let at = config.source_of(key, Position { line: problem.line, column: problem.column });
                let mut notes = vec![match key {
                    CONF if config.data.contains_key(CONFLIST) => {
                        format!("terway-cli does not read it while there is a {CONFLIST}, and ends with an error when that is taken away (cmd/terway-cli/cni.go, `processInput`)")
                    }
                    ENI_CONF => "terwayd can't start with it".to_owned(),
                    _ => "terway-cli ends with an error, so the DaemonSet's init container fails and the node keeps what it has".to_owned(),
                }];
                if key == CONFLIST && config.text(key).is_some_and(|text| text.trim().is_empty()) {
                    notes.push(
                        "a key without text is not the same as no key: to go without a chain, write `10-terway.conflist: null`"
                            .to_owned(),
                    );
                }
                let place = format!("{key} is not JSON: {}, line {} of its text", problem.message, problem.line);
                linter.add(FindingCode::PL621, at, place).notes(notes);
            }
            Ok(Value::Object(object)) => {
                twice(key, &json, linter);
                match key {
                    ENI_CONF => {
                        misspelt(object, &json, linter);
                        let effect =
                            "terwayd ends with an error when it decodes the settings, so no pod gets an address";
                        if let Some(keys) = KeyTable::embedded().object(Object::EniConf) {
                            types(key, keys, "", object, effect, &json, linter);
                        }
                    }
                    _ => entries(key, object, &json, linter),
                }
            }
            Ok(other) => {
                all_json = false;
                let at = config.source_of(key, Position { line: 1, column: 1 });
                let kind = if other.is_array() { "a list" } else { "no object" };
                linter.add(FindingCode::PL621, at, format!("{key} must be a JSON object, and is {kind}"));
            }
        }
    }
    if all_json && (config.data.contains_key(CONF) || config.data.contains_key(CONFLIST)) {
        chain(linter);
    }
}

fn keys(linter: &mut Linter<'_>) {
    let config = linter.config;
    for key in config.data.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        linter.check();
        if let Some(near) = suggest(key, KNOWN) {
            let at = config.source_of(key, Position { line: 1, column: 1 });
            linter.add(FindingCode::PL624, at, format!("Terway reads no key `{key}` of eni-config")).note(near);
        }
    }
    for key in [ENI_CONF, CONF] {
        if config.data.contains_key(key) {
            linter.check();
        } else if config.of_nodes.is_some() {
            // A node's own ConfigMap has what differs.
        } else if config.whole || config.removed.contains(key) {
            linter.check();
            let message = format!("eni-config has no {key}");
            linter
                .add(FindingCode::PL620, config.source.clone(), message)
                .note("terway-cli and terwayd can't start without it (cmd/terway-cli/common.go)");
        } else if key == CONF && config.data.contains_key(CONFLIST) {
            linter.untold(format!("whether the first plugin is the entry of {CONF}: the file does not have it; `plumbline chain plan` takes the cluster's"));
        } else {
            linter.untold(format!("{key}: the file is a fragment without it; `kubectl replace` would take the cluster's away, `plumbline chain apply` writes the chain alone"));
        }
    }
}

fn twice(key: &str, json: &JsonText, linter: &mut Linter<'_>) {
    let config = linter.config;
    for (path, first) in json.twice() {
        let name = path.rsplit('/').next().unwrap_or(path);
        let at = config.source_of(key, json.place(path));
        let first = config.source_of(key, *first);
        let message = format!("`{name}` is there twice; the last one counts");
        linter.add(FindingCode::PL635, at, message).note(format!("first in line {}", first.line));
    }
}

/// Keys of `eni_conf` that no release known here reads, and that are near to one that it reads. Others may be of an older
/// release.
fn misspelt(object: &Map<String, Value>, json: &JsonText, linter: &mut Linter<'_>) {
    let config = linter.config;
    let Some(known) = KeyTable::embedded().object(Object::EniConf) else { return };
    for key in object.keys().filter(|key| known.find(&[], key).is_none()) {
        linter.check();
        if let Some(near) = suggest(key, known.at(&[]).map(Key::name)) {
            let at = config.source_of(ENI_CONF, json.place(key));
            linter.add(FindingCode::PL624, at, format!("Terway reads no key `{key}` of {ENI_CONF}")).note(near);
        }
    }
}

/// Values of a wrong type in an object that Terway decodes.
fn types(
    key: &str,
    keys: &'static PluginKeys,
    above: &str,
    object: &Map<String, Value>,
    effect: &str,
    json: &JsonText,
    linter: &mut Linter<'_>,
) {
    linter.check();
    for Mismatch { place, key: name, kind } in check_object(keys, &[], object) {
        let top = place.split('/').next().unwrap_or_default();
        let MismatchKind::WrongType(value, wanted) = kind else { continue };
        // `values` knows what terway-cli makes of them.
        if top.starts_with("symmetric_routing") {
            continue;
        }
        let at = linter.config.source_of(key, json.place(&format!("{above}{place}")));
        let message = format!("`{name}` is {value}, and must be {wanted}");
        linter.add(FindingCode::PL634, at, message).note(effect);
    }
}

/// Values of a wrong type in the entries of Terway.
fn entries(key: &str, object: &Map<String, Value>, json: &JsonText, linter: &mut Linter<'_>) {
    let Some(keys) = KeyTable::embedded().plugin(TERWAY) else { return };
    let effect = "Terway's plugin ends with an error for every pod";
    let check = |above: &str, entry: &Map<String, Value>, linter: &mut Linter<'_>| {
        if entry.get("type").and_then(Value::as_str) == Some(TERWAY) {
            types(key, keys, above, entry, effect, json, linter);
        }
    };
    check("", object, linter);
    for (index, entry) in object.get("plugins").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if let Value::Object(entry) = entry {
            check(&format!("plugins/{index}/"), entry, linter);
        }
    }
}

fn chain(linter: &mut Linter<'_>) {
    let config = linter.config;
    let key = if config.data.contains_key(CONFLIST) { CONFLIST } else { CONF };
    let Some(json) = config.json(key) else { return };
    let Ok(Value::Object(top)) = &json.value else { return };
    linter.check();
    let at = |path: &str| config.source_of(key, json.place(path));
    if key == CONF && top.contains_key("plugins") {
        linter
            .add(FindingCode::PL627, at("plugins"), format!("{CONF} holds a list"))
            .note(format!("the document: {CONF} holds Terway's own entry, and {CONFLIST} the list"))
            .note(format!("the sources: terway-cli takes the list as long as there is no {CONFLIST} (cmd/terway-cli/cni.go, `processInput`)"));
    }
    match top.get("plugins") {
        Some(Value::Array(plugins)) if !plugins.is_empty() => {}
        Some(Value::Array(_)) => {
            linter
                .add(FindingCode::PL622, at("plugins"), "`plugins` is empty")
                .note("terway-cli lets it pass, and makes a conflist without plugins, with which no pod starts");
            return;
        }
        Some(_) => {
            linter
                .add(FindingCode::PL622, at("plugins"), "`plugins` is not a list")
                .note("terway-cli lets it pass, and makes of it what it finds, in no order");
            return;
        }
        None => {}
    }
    if let Err(why) = expected::alternatives(config, &NodeFacts::default()) {
        let position = why.strip_prefix("plugin ").and_then(|rest| rest.split(' ').next()).unwrap_or("0");
        let plugin = format!("plugins/{position}/");
        let keys = json.places().iter().filter(|(path, _)| path.starts_with(&plugin)).map(|(_, place)| *place);
        // Of one without a type the first key that it has.
        let first = keys.min_by_key(|place| (place.line, place.column));
        let place = match json.places().get(&format!("{plugin}type")).copied().or(first) {
            Some(place) => config.source_of(key, place),
            None => at("plugins"),
        };
        linter
            .add(FindingCode::PL622, place, why)
            .note("terway-cli ends with this error, so the DaemonSet's init container fails");
        return;
    }
    if let Err(why) = crate::chain::parse(config.text(key).unwrap_or_default(), "terway-chainer") {
        linter.add(FindingCode::PL622, at("plugins"), why).note("terway-cli lets it pass, and no pod starts with it");
    }
}
