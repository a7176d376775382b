//! Every rule of the lint by a pair of texts: one in which it fires, and one near it in which it does not. What the report
//! shows of the first one is a golden text for each group.

mod addresses;
mod chains;
mod eni_config;
mod keys;
mod objects;
mod texts;

use plumbline_core::finding::Finding;
use plumbline_core::lint::{ClusterFacts, InputFile, Options, Report, lint};
use plumbline_report::lint::text;
use plumbline_report::paint;
use std::fmt::Write as _;

/// A rule with its two texts.
struct Pair {
    /// The rule, in words.
    rule: &'static str,
    /// Its code.
    code: &'static str,
    /// A text in which it fires.
    fires: String,
    /// A text near it in which no rule fires, but for `others`.
    near: String,
    /// What is known of the cluster.
    cluster: ClusterFacts,
    /// Codes of other rules that the near text has for a reason of its own.
    others: &'static [&'static str],
}

impl Pair {
    fn new(rule: &'static str, code: &'static str, fires: String, near: String) -> Self {
        Self { rule, code, fires, near, cluster: ClusterFacts::default(), others: &[] }
    }

    fn cluster(mut self, cluster: ClusterFacts) -> Self {
        self.cluster = cluster;
        self
    }

    fn others(mut self, others: &'static [&'static str]) -> Self {
        self.others = others;
        self
    }

    fn lint(&self, text: &str) -> (Report, Vec<InputFile>) {
        // A text that begins with a brace is a file of a node.
        let name = if text.starts_with('{') { "10-net.conflist" } else { "net.yaml" };
        let files = vec![InputFile::new(name, text)];
        let options = Options { cluster: self.cluster.clone(), ..Options::default() };
        (lint(&files, &options), files)
    }
}

/// Checks the pairs of a group, and gives the excerpts of the findings of each rule.
fn check(pairs: Vec<Pair>) -> String {
    let (mut excerpts, mut problems) = (String::new(), Vec::new());
    for pair in pairs {
        let (report, files) = pair.lint(&pair.fires);
        let found: Vec<Finding> =
            report.findings.iter().filter(|finding| finding.code.as_str() == pair.code).cloned().collect();
        if found.is_empty() || !report.errors.is_empty() {
            problems.push(format!("{}: {} does not fire\n{}\n{}", pair.rule, pair.code, pair.fires, shown(&report)));
        }
        let _ = write!(excerpts, "## {}\n\n{}", pair.rule, paint::strip(&text::findings(&found, &files)));
        let (report, _) = pair.lint(&pair.near);
        let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code.as_str()).collect();
        if codes != pair.others || !report.errors.is_empty() {
            problems.push(format!("{}: {codes:?} in the near text\n{}\n{}", pair.rule, pair.near, shown(&report)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    excerpts
}

fn shown(report: &Report) -> String {
    let findings = report.findings.iter().map(|finding| format!("{} {}\n", finding.code, finding.message));
    findings.chain(report.errors.iter().map(|error| format!("{error}\n"))).collect()
}

#[test]
fn rules_of_keys() {
    insta::assert_snapshot!("keys", check(keys::pairs()));
}

#[test]
fn rules_of_chains() {
    insta::assert_snapshot!("chains", check(chains::pairs()));
}

#[test]
fn rules_of_addresses() {
    insta::assert_snapshot!("addresses", check(addresses::pairs()));
}

#[test]
fn rules_of_objects() {
    insta::assert_snapshot!("objects", check(objects::pairs()));
}

#[test]
fn rules_of_eni_config() {
    insta::assert_snapshot!("eni_config", check(eni_config::pairs()));
}

/// A code of the configuration has a pair here, or its reason not to have one.
#[test]
fn every_code_of_the_configuration_has_a_pair() {
    let groups = [keys::pairs(), chains::pairs(), addresses::pairs(), objects::pairs(), eni_config::pairs()];
    let mut codes: std::collections::BTreeSet<&str> = groups.iter().flatten().map(|pair| pair.code).collect();
    // Of a cluster that was read (`chain apply`, `chain lint --context`), of the use of a cluster with Terway, and of the
    // versions on its nodes: tests of `core::terway`.
    codes.extend(["PL625", "PL626", "PL628", "PL629", "PL631", "PL632", "PL636", "PL637", "PL638", "PL639"]);
    let all = plumbline_core::finding::FindingCode::ALL;
    let missing: Vec<&str> =
        all.iter().map(|code| code.as_str()).filter(|code| code.starts_with("PL6") && !codes.contains(code)).collect();
    assert_eq!(missing, [""; 0]);
}
