//! Rules about the structure of a chain: is there one, in which order are its plugins, which version does it state.

use super::context::{Context, Use};
use super::keys::is_comment;
use super::known_plugins;
use super::view::{PluginView, finding};
use crate::chain::{self, Chain, go_key};
use crate::finding::{Finding, FindingCode};
use crate::keys::{Key, KeyTable, Kind, Object};
use crate::plan::Network;
use crate::release::Release;
use crate::suggestion::suggest;
use serde_json::{Map, Value};

/// Spec versions that released plugins know (cni v1.3.1 `pkg/version`).
const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// Oldest and newest spec version of plugins that do not support all (their `main`, `version.VersionsStartingFrom`;
/// route-override is built with cni v1.1.2).
const LIMITS: [(&str, &str, &str); 4] = [
    ("bandwidth", "0.3.0", "1.1.0"),
    ("firewall", "0.4.0", "1.1.0"),
    ("vrf", "0.3.1", "1.1.0"),
    ("route-override", "0.1.0", "1.0.0"),
];

/// The first release of containernetworking/plugins with spec version 1.1.0.
const WITH_1_1_0: Release = Release::new(1, 6, 0);

/// The first release of containernetworking/plugins with spec version 1.0.0; those before it end with 0.4.0.
const WITH_1_0_0: Release = Release::new(1, 0, 0);

/// A configuration of which no chain can be made.
pub(super) fn check_unreadable(network: &Network, findings: &mut Vec<Finding>) {
    let text = network.config.as_deref().unwrap_or_default();
    let why = chain::parse(text, &network.name).err().unwrap_or_default();
    let entry = match &network.syntax_error {
        Some(source) => {
            let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
            finding(network, FindingCode::PL603, "", format!("configuration holds no readable chain: {why}"))
                .source(source)
        }
        None => finding(network, FindingCode::PL603, "", format!("configuration holds no readable chain: {why}")),
    };
    findings.push(entry);
}

/// Checks the structure of a chain.
pub(super) fn check(
    network: &Network,
    chain: &Chain,
    plugins: &[PluginView<'_>],
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
) {
    check_repeated(network, findings);
    check_top(network, chain, context, findings);
    check_version(network, chain, findings);
    let main: Vec<&PluginView<'_>> =
        plugins.iter().filter(|plugin| known_plugins::role(plugin.plugin) == Some(Kind::Main)).collect();
    if let [first, second, ..] = main.as_slice() {
        let message = format!("{} and {} are both main plugins: the second one fails", first.plugin, second.plugin);
        findings.push(finding(network, FindingCode::PL607, &second.path("type"), message));
    }
    for plugin in plugins {
        check_place(network, chain, plugin, context, findings);
        check_name(network, plugin, context, findings);
    }
}

/// Keys that stand more than once in one object. Of an object that stands twice the first one is dropped whole, so
/// what is in it is not reported too.
fn check_repeated(network: &Network, findings: &mut Vec<Finding>) {
    let is_within = |path: &str, other: &str| path.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    for (path, first) in &network.repeated {
        if network.repeated.iter().any(|(other, _)| is_within(path, other)) {
            continue;
        }
        let key = path.rsplit('/').next().unwrap_or(path);
        let message = format!("`{key}` is there twice in one object: the last one counts");
        let entry = finding(network, FindingCode::PL635, path, message);
        findings.push(entry.notes([format!("the first one is at {first}")]));
    }
}

/// The top of a configuration: `type` beside `plugins`, and keys of a list.
fn check_top(network: &Network, chain: &Chain, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let text = network.config.as_deref().unwrap_or_default();
    let Ok(Value::Object(top)) = serde_json::from_str::<Value>(text) else { return };
    if !chain.is_list && go_key(&top, "plugins").is_some() {
        let plugin = chain.links.first().map_or("", |link| link.plugin.as_str());
        let message = format!("`type` stands beside `plugins`: {plugin} alone is called, and `plugins` is dropped");
        let entry = finding(network, FindingCode::PL613, "type", message);
        let notes = ["Multus takes a configuration with `type` for a single plugin (pkg/types/conf.go)"];
        findings.push(entry.notes(notes).notes(["remove `type`, and the list is used"]));
    }
    if context.network_use == Use::File && go_key(&top, "name").is_none() {
        let entry = finding(network, FindingCode::PL603, "", "configuration has no `name`: libcni refuses it");
        findings
            .push(entry.notes(["of a NetworkAttachmentDefinition Multus takes the object's name; a file has none"]));
    }
    check_name_of_network(network, &top, findings);
    let Some(list) = KeyTable::embedded().object(Object::NetworkList).filter(|_| chain.is_list) else { return };
    for key in top.keys().filter(|key| list.find(&[], key).is_none() && !is_comment(key)) {
        let note = match list.at(&[]).find(|known| known.name().eq_ignore_ascii_case(key)) {
            Some(near) => {
                format!("did you mean `{}`? letter case matters in the keys of a list", near.name())
            }
            None => match suggest(key, list.at(&[]).map(Key::name)) {
                Some(near) => near,
                None => "it belongs to an element of `plugins`: libcni reads nothing else of the list".to_owned(),
            },
        };
        let message = format!("a list has no key `{key}`: it is ignored");
        findings.push(finding(network, FindingCode::PL602, key, message).notes([note]));
    }
}

/// The name of the network (cni v1.3.1 `pkg/utils/utils.go`, `ValidateNetworkName`).
fn check_name_of_network(network: &Network, top: &Map<String, Value>, findings: &mut Vec<Finding>) {
    let Some(name) = go_key(top, "name").and_then(Value::as_str).filter(|name| !name.is_empty()) else { return };
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(is_fit) {
        let message = format!("`{name}` is no name of a network: libcni refuses it");
        let note = "letters, digits, `_`, `.` and `-`, a letter or digit first";
        findings.push(finding(network, FindingCode::PL605, "name", message).notes([note]));
    }
}

fn check_version(network: &Network, chain: &Chain, findings: &mut Vec<Finding>) {
    let version = chain.cni_version.as_str();
    if lacks_version(network) {
        let message = "`cniVersion` is missing: the configuration counts as 0.1.0";
        let entry = finding(network, FindingCode::PL606, "", message);
        let overrides = chain.links.iter().any(|link| link.plugin == "route-override");
        let note =
            "results of 0.1.0 have no interfaces, so route-override deletes and adds no route, and reports success";
        findings.push(entry.notes(overrides.then_some(note)).notes(["state `\"cniVersion\": \"1.0.0\"`"]));
    } else if !VERSIONS.contains(&version) {
        let message = format!("cniVersion {version} is unknown to plugins");
        let entry = finding(network, FindingCode::PL606, "cniVersion", message);
        findings.push(entry.notes([format!("known: {}", VERSIONS.join(", "))]));
    }
}

/// Whether a configuration states no version; not known where its text is not.
fn lacks_version(network: &Network) -> bool {
    let top = network.config.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let top = top.as_ref().and_then(Value::as_object);
    // libcni reads the keys of a list in their very letters.
    let lacks = |top: &Map<String, Value>, key: &str| match network.chain.as_ref().is_some_and(|chain| chain.is_list) {
        true => !top.contains_key(key),
        false => go_key(top, key).is_none(),
    };
    top.is_some_and(|top| lacks(top, "cniVersion") && lacks(top, "cniVersions"))
}

fn check_place(
    network: &Network,
    chain: &Chain,
    plugin: &PluginView<'_>,
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
) {
    let name = plugin.plugin;
    let has_result = plugin.get("prevResult").is_some_and(Value::is_object);
    if plugin.position == 0 && !has_result && known_plugins::role(name) == Some(Kind::Meta) {
        let message = format!("{name} is first in the chain and has no previous result");
        let panics = "upstream's binary panics: exit 2, nothing on standard output";
        let notes = (name == "route-override").then_some(panics);
        findings.push(finding(network, FindingCode::PL604, &plugin.path("type"), message).notes(notes));
    }
    let release = context.releases.of(name, "plugins");
    let is_too_new = match chain.cni_version.as_str() {
        "1.0.0" if release < WITH_1_0_0 => Some(("0.4.0", WITH_1_0_0)),
        "1.1.0" if release < WITH_1_0_0 => Some(("0.4.0", WITH_1_1_0)),
        "1.1.0" if release < WITH_1_1_0 => Some(("1.0.0", WITH_1_1_0)),
        _ => None,
    };
    if let Some((newest, first)) = is_too_new.filter(|_| known_plugins::is_of_plugins(name)) {
        let message = format!("{name} {release} supports cniVersion up to {newest}: the chain fails with code 1");
        let note = format!("{} came with plugins {first}", chain.cni_version);
        findings.push(finding(network, FindingCode::PL606, &plugin.path("type"), message).notes([note]));
        return;
    }
    let order = |version: &str| VERSIONS.iter().position(|known| *known == version);
    let Some((_, oldest, newest)) = LIMITS.iter().find(|(limited, ..)| *limited == name) else { return };
    let Some(at) = order(&chain.cni_version) else { return };
    let message = if order(oldest).is_some_and(|oldest| at < oldest) {
        format!("{name} supports cniVersion from {oldest} on: the chain fails with code 1")
    } else if order(newest).is_some_and(|newest| at > newest) {
        format!("{name} supports cniVersion up to {newest}: the chain fails with code 1")
    } else {
        return;
    };
    let entry = finding(network, FindingCode::PL606, &plugin.path("type"), message);
    let default = "a configuration without cniVersion counts as 0.1.0";
    findings.push(entry.notes(lacks_version(network).then_some(default)));
}

/// Plugins that are not known here: misspelt ones, and others.
fn check_name(network: &Network, plugin: &PluginView<'_>, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let ipam = plugin.ipam().and_then(|ipam| go_key(ipam, "type")).and_then(Value::as_str);
    let names = [(plugin.plugin, "type", false), (ipam.unwrap_or_default(), "ipam/type", true)];
    for (name, key, is_ipam) in names {
        if name.is_empty() {
            continue;
        }
        let kind = if is_ipam { "IPAM plugin" } else { "plugin" };
        let path = plugin.path(key);
        if !is_ipam && known_plugins::role(name) == Some(Kind::Ipam) {
            let message = format!("{name} is an IPAM plugin; expected a plugin that makes an interface");
            let note = format!("move it into `ipam` of a main plugin: `\"ipam\": {{ \"type\": \"{name}\", ... }}`");
            findings.push(finding(network, FindingCode::PL605, &path, message).notes([note]));
            continue;
        }
        if KeyTable::embedded().plugin(name).is_some() {
            continue;
        }
        let fits = |known: &&str| known_plugins::role(known).is_some_and(|role| (role == Kind::Ipam) == is_ipam);
        // Short names of other people's plugins are near to each other by chance.
        let near = suggest(name, known_plugins::names().filter(fits))
            .filter(|_| name.len() > 4 && !known_plugins::is_known(name));
        match near {
            Some(near) => {
                let message = format!("{kind} `{name}` is unknown");
                findings.push(finding(network, FindingCode::PL633, &path, message).notes([near]));
            }
            None if !matches!(context.network_use, Use::Run | Use::Terway) => {
                let message = format!("the keys of {kind} `{name}` are not known here: they are not checked");
                findings.push(finding(network, FindingCode::PL642, &path, message));
            }
            None => {}
        }
    }
}
