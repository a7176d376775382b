//! The way of a text through the lint.

use super::{InputFile, Options, Report};
use crate::scenario::kube_yaml;
use crate::scenario::node::Node;

/// Lints texts.
pub(super) fn lint(files: &[InputFile], options: &Options) -> Report {
    let mut report = Report::default();
    let _ = options;
    for file in files {
        match kube_yaml::read(&file.name, &file.text) {
            Ok(documents) => documents.iter().for_each(|node| count(node, &mut report)),
            Err(error) => report.errors.push(error),
        }
    }
    report
}

fn count(node: &Node, report: &mut Report) {
    let kind = node.get("kind").and_then(Node::text).unwrap_or("no kind");
    *report.others.entry(kind.to_owned()).or_default() += 1;
}
