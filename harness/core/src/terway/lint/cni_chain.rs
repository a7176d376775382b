//! The key `cni_chain`, which releases after 1.17.5 read: is it read, which of two chains counts, what does it hold.
//! Source: Terway's main branch, `docs/custom-cni-chain.md` and `cmd/terway-cli/cni.go`.

use super::Linter;
use crate::finding::FindingCode;
use crate::scenario::kube_yaml;
use crate::scenario::node::{Data, Node, Position};
use crate::source::Source;
use crate::terway::eni_config::{CNI_CHAIN, CONF, CONFLIST, ENI_CONF};
use crate::terway::expected::TERWAY;
use crate::terway::usage::NO_CNI_CHAIN;

pub(super) fn lint(linter: &mut Linter<'_>) {
    nodes(linter);
    let config = linter.config;
    let Some(text) = config.text(CNI_CHAIN) else { return };
    linter.check();
    let top = config.source_of(CNI_CHAIN, Position { line: 1, column: 1 });
    let is_read = linter.usage.terway_version.is_some_and(|version| version > NO_CNI_CHAIN);
    if !is_read {
        let message = match linter.usage.terway_version {
            Some(version) => {
                format!("Terway {version} does not read `{CNI_CHAIN}`: later releases than {NO_CNI_CHAIN} do")
            }
            None => format!("Terway up to {NO_CNI_CHAIN} does not read `{CNI_CHAIN}`"),
        };
        let note = format!("up to {NO_CNI_CHAIN} a chain is in {CONFLIST}, with Terway's entry as its first plugin");
        linter.add(FindingCode::PL610, top.clone(), message).note(note);
    }
    if config.data.contains_key(CONFLIST) {
        let message = format!("`{CNI_CHAIN}` and `{CONFLIST}` are both there");
        linter
            .add(FindingCode::PL635, top.clone(), message)
            .note(format!("Terway up to {NO_CNI_CHAIN} takes {CONFLIST}; later releases take {CNI_CHAIN}"));
    }
    let list = match kube_yaml::read(&top.file, text) {
        Ok(documents) => documents,
        Err(error) => {
            let at = Position { line: error.source_at.line, column: error.source_at.column };
            let message = format!("`{CNI_CHAIN}` is not YAML: {}", error.message);
            linter.add(FindingCode::PL634, config.source_of(CNI_CHAIN, at), message);
            return;
        }
    };
    entries(&list, top, linter);
}

/// The entries of the list.
fn entries(list: &[Node], top: Source, linter: &mut Linter<'_>) {
    let config = linter.config;
    let Some(Data::List(entries)) = list.first().map(|node| &node.data) else {
        linter.add(FindingCode::PL634, top, format!("`{CNI_CHAIN}` must be a YAML list of plugins"));
        return;
    };
    for entry in entries {
        let at = config.source_of(CNI_CHAIN, entry.at);
        match entry.get("type").and_then(Node::text) {
            Some(TERWAY) => {
                let message = format!("`{CNI_CHAIN}` has Terway's own entry: it holds the plugins behind it alone");
                linter.add(FindingCode::PL634, at, message);
            }
            None | Some("") => {
                linter.add(FindingCode::PL634, at, format!("an entry of `{CNI_CHAIN}` has no `type`"));
            }
            Some(_) => {}
        }
    }
}

/// Keys of a node's own ConfigMap that Terway does not read there.
fn nodes(linter: &mut Linter<'_>) {
    let config = linter.config;
    let Some(name) = &config.of_nodes else { return };
    for key in [CONF, CONFLIST].into_iter().filter(|key| config.data.contains_key(*key)) {
        linter.check();
        let message = format!("Terway does not read `{key}` of {name}");
        let note = format!(
            "of a ConfigMap that a node's label terway-config names it reads {ENI_CONF}, and {CNI_CHAIN} in releases after {NO_CNI_CHAIN}"
        );
        let at = config.source_of(key, Position { line: 1, column: 1 });
        linter.add(FindingCode::PL635, at, message).note(note);
    }
}
