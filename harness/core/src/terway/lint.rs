//! The document as a lint: what an `eni-config` lacks, has too much, or needs in a newer version, for the use that is
//! made of the cluster; each finding with the line of the document that it comes from, and what the sources say.
//!
//! | module | question |
//! |---|---|
//! | `shape` | are the keys there, are they JSON, is there a chain in them |
//! | `cni_chain` | is the key of later releases there, and which chain counts |
//! | `first` | is the first plugin the entry of `10-terway.conf` |
//! | `plugins` | are the plugins known, there, and in an order that can work |
//! | `values` | are there values that a plugin refuses, or that do nothing |
//! | `access` | the document's table: masqAll and symmetric_routing for each access |
//! | `versions` | the versions that settings need |

mod access;
mod cni_chain;
mod first;
mod plugins;
mod shape;
mod values;
mod versions;

pub use access::{ROWS, TableRow};

use super::eni_config::{CONF, CONFLIST, EniConfig};
use super::expected::{self, NodeFacts, TERWAY};
use super::json_text::JsonText;
use super::rollout::ClusterSeen;
use super::usage::Usage;
use crate::chain::go_key;
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use crate::rules::Releases;
use crate::source::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What the lint has found.
#[must_use = "read the report: it holds the findings"]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LintReport {
    /// How many rules were looked at.
    pub checked: usize,
    /// Errors first.
    pub findings: Vec<Finding>,
    /// The plugins of the chain, in order; empty where there is none to be read.
    pub chain: Vec<String>,
    /// The document's table for this use.
    pub table: Vec<TableRow>,
    /// What is not known, and what would show it.
    pub untold: Vec<String>,
    /// How the cluster is used, with what follows from the configuration.
    pub usage: Usage,
}

impl LintReport {
    /// Whether an error was found.
    pub fn failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.is_failure())
    }
}

/// Holds an `eni-config` against the document and the sources. Of a cluster that was looked at, plugins and nodes are
/// held against it too.
pub fn lint(config: &EniConfig, usage: &Usage, cluster: Option<&ClusterSeen>) -> LintReport {
    lint_with(config, usage, &Releases::default(), cluster)
}

/// As [`lint`], with the releases of plugins. Where the usage states no version of Terway or portmap, it is among them.
pub fn lint_with(config: &EniConfig, usage: &Usage, releases: &Releases, cluster: Option<&ClusterSeen>) -> LintReport {
    let mut releases = releases.by_name().clone();
    let find = |names: &[&str]| names.iter().find_map(|name| releases.get(*name)).copied();
    let terway_version = usage.terway_version.or(find(&["terway"]));
    let portmap_version = usage.portmap_version.or(find(&["portmap", "plugins"]));
    let usage = Usage { terway_version, portmap_version, ..*usage };
    releases.extend(terway_version.map(|version| ("terway".to_owned(), version)));
    releases.extend(portmap_version.map(|version| ("portmap".to_owned(), version)));
    let (releases, report) = (Releases::from(releases), LintReport::default());
    let mut linter = Linter { config, usage, releases, cluster, report, lists: Vec::new() };
    shape::lint(&mut linter);
    cni_chain::lint(&mut linter);
    if let Some(chain) = Chain::read(config) {
        linter.report.chain = chain.links.iter().map(|link| link.plugin.clone()).collect();
        linter.lists = expected::alternatives(config, &NodeFacts::default()).unwrap_or_default();
        access::settle(&mut linter);
        first::lint(&chain, &mut linter);
        plugins::lint(&chain, &mut linter);
        values::lint(&chain, &mut linter);
        access::lint(&chain, &mut linter);
        versions::lint(&chain, &mut linter);
    }
    let mut report = linter.report;
    report.usage = linter.usage;
    // What the rules for every chain say of a value that is refused here already.
    let refused: Vec<Option<Source>> = report
        .findings
        .iter()
        .filter(|finding| finding.code == FindingCode::PL634)
        .map(|finding| finding.source.clone())
        .collect();
    let is_general = |finding: &Finding| matches!(finding.code, FindingCode::PL609 | FindingCode::PL617);
    report.findings.retain(|finding| !(is_general(finding) && refused.contains(&finding.source)));
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    report
}

/// What the rules read, and what they found so far.
struct Linter<'a> {
    config: &'a EniConfig,
    usage: Usage,
    releases: Releases,
    cluster: Option<&'a ClusterSeen>,
    report: LintReport,
    /// What terway-cli can make of it.
    lists: Vec<Value>,
}

impl Linter<'_> {
    /// A rule was looked at.
    fn check(&mut self) {
        self.report.checked += 1;
    }

    /// As [`Self::add`], of something that the chain lacks: where there is no chain yet, with where it is to be written.
    fn add_lack(&mut self, source: Source, message: impl Into<String>, notes: impl IntoIterator<Item = String>) {
        self.add(FindingCode::PL628, source, message).notes(notes);
        if !self.config.data.contains_key(CONFLIST) {
            self.note(format!("there is no {CONFLIST} yet: add that key, with the entry of {CONF} as its first plugin; {CONF} itself stays as it is"));
        }
    }

    /// Adds a finding.
    fn add(&mut self, code: FindingCode, source: Source, message: impl Into<String>) -> &mut Self {
        self.report.findings.push(Finding::new(code, message).source(&source));
        self
    }

    /// Adds a note to the latest finding.
    fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.notes([note.into()])
    }

    /// Adds notes to the latest finding.
    fn notes(&mut self, notes: impl IntoIterator<Item = String>) -> &mut Self {
        if let Some(finding) = self.report.findings.last_mut() {
            finding.notes.extend(notes);
        }
        self
    }

    fn untold(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.report.untold.contains(&what) {
            self.report.untold.push(what);
        }
    }
}

/// One plugin of the chain.
struct ChainPlugin {
    /// Its type.
    plugin: String,
    /// Its configuration.
    conf: Map<String, Value>,
    /// Where its keys are, from the top of the text.
    path: String,
}

impl ChainPlugin {
    /// A key as a plugin's own decoder finds it.
    fn key(&self, name: &str) -> Option<&Value> {
        go_key(&self.conf, name)
    }
}

/// The chain with its places.
struct Chain<'a> {
    config: &'a EniConfig,
    /// The key that it is written in.
    key: &'static str,
    json: JsonText,
    top: Map<String, Value>,
    links: Vec<ChainPlugin>,
}

impl<'a> Chain<'a> {
    /// The chain that terway-cli takes; none where there is no object with plugins that have a type.
    fn read(config: &'a EniConfig) -> Option<Self> {
        let key = if config.data.contains_key(CONFLIST) { CONFLIST } else { CONF };
        let json = config.json(key)?;
        let Ok(Value::Object(top)) = json.value.clone() else { return None };
        let entries: Vec<(String, Value)> = match top.get("plugins") {
            Some(Value::Array(plugins)) => {
                plugins.iter().enumerate().map(|(at, conf)| (format!("plugins/{at}/"), conf.clone())).collect()
            }
            Some(_) => return None,
            None => vec![(String::new(), Value::Object(top.clone()))],
        };
        let link = |(path, conf): (String, Value)| match conf {
            Value::Object(conf) => {
                let plugin = conf.get("type")?.as_str()?.to_owned();
                Some(ChainPlugin { plugin, conf, path })
            }
            _ => None,
        };
        let links = entries.into_iter().map(link).collect::<Option<Vec<_>>>()?;
        (!links.is_empty()).then_some(Self { config, key, json, top, links })
    }

    /// The place of a key of a plugin, or of the nearest one above it; of a key that the plugin lacks that of its `type`.
    fn at(&self, link: &ChainPlugin, key: &str) -> Source {
        let mut path = format!("{}{}", link.path, key.trim_end_matches('/'));
        while path.len() > link.path.len() && !self.json.places().contains_key(&path) {
            path.truncate(path.rfind('/').map_or(0, |end| end.max(link.path.len())));
        }
        if path.len() <= link.path.len() {
            path = format!("{}type", link.path);
        }
        self.config.source_of(self.key, self.json.place(&path))
    }

    /// The place of a key of the text's top.
    fn top_at(&self, key: &str) -> Source {
        self.config.source_of(self.key, self.json.place(key))
    }

    /// Terway's entry: the first of its type, as `terway-cli nodeconfig` takes it.
    fn terway(&self) -> Option<&ChainPlugin> {
        self.links.iter().find(|link| link.plugin == TERWAY)
    }

    /// The first plugin of a type.
    fn plugin(&self, name: &str) -> Option<&ChainPlugin> {
        self.links.iter().find(|link| link.plugin == name)
    }

    /// The chain as a network of a plan, for the rules that hold for every chain. Versions and names are terway-cli's.
    fn network(&self) -> Network {
        let conf = |link: &ChainPlugin| crate::chain::ChainLink {
            plugin: link.plugin.clone(),
            conf: Value::Object(link.conf.clone()),
        };
        let keys: BTreeMap<String, Source> = self
            .json
            .places()
            .iter()
            .map(|(path, place)| (path.clone(), self.config.source_of(self.key, *place)))
            .collect();
        Network {
            name: super::eni_config::NAME.to_owned(),
            namespace: Some(super::eni_config::NAMESPACE.to_owned()),
            manifest: Some(Value::Null),
            config: None,
            chain: Some(crate::chain::Chain {
                name: "terway-chainer".to_owned(),
                cni_version: "0.4.0".to_owned(),
                is_list: self.top.contains_key("plugins"),
                disable_check: false,
                links: self.links.iter().map(conf).collect(),
            }),
            keys,
            syntax_error: None,
            // `shape` reports them, of the other keys of the ConfigMap too.
            repeated: Vec::new(),
            source: self.top_at(""),
        }
    }
}
