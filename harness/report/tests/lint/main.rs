//! Reports of a lint: golden texts of each format over findings made by hand. The test `lint` of `suites` compares the
//! one of SARIF with the published schema.

use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::lint::{Ignored, InputFile, Report};
use plumbline_core::scenario::InputError;
use plumbline_core::source::Source;
use plumbline_report::lint::sarif::SarifLog;
use plumbline_report::lint::{LintOutcome, LintVerdict, github, text};
use plumbline_report::paint;

const NAD: &str = "apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: { name: rdma-net }
spec:
  config: |-
    {
      \"cniVersion\": \"1.0.0\",
      \"plugins\": [
        { \"type\": \"macvlan\", \"vlan\": 100 },
        { \"type\": \"sbr\", \"gateways\": [\"198.51.100.1\"] }
      ]
    }
";

fn source(file: &str, line: usize, column: usize) -> Source {
    Source { file: file.into(), line, column }
}

fn finding(code: FindingCode, message: &str, at: Source) -> Finding {
    Finding::new(code, message).network("rdma-net").source(&at)
}

fn outcome(findings: Vec<Finding>, strict: bool) -> LintOutcome {
    let report = Report {
        findings,
        objects: [("NetworkAttachmentDefinition".into(), 1), ("Pod".into(), 2)].into(),
        ..Report::default()
    };
    LintOutcome::new(report, vec![InputFile::new("nads/rdma.yaml", NAD)], strict)
}

fn two_findings() -> Vec<Finding> {
    let vlan = finding(FindingCode::PL601, "macvlan has no key `vlan`", source("nads/rdma.yaml", 9, 30));
    let key = finding(FindingCode::PL602, "sbr has no key `gateways`: it is ignored", source("nads/rdma.yaml", 10, 26));
    vec![vlan.notes(["use master NAME.ID"]), key.expected("keys of sbr v1.9.1").found("`gateways`".to_owned())]
}

/// Everything that a report can have.
fn full() -> LintOutcome {
    let mut findings = two_findings();
    findings.push(finding(FindingCode::PL602, "a second one of the same code", source("nads/rdma.yaml", 10, 0)));
    findings.push(finding(FindingCode::PL603, "configuration holds no readable chain", source("a b,c:d.yaml", 3, 1)));
    findings.push(finding(FindingCode::PL605, "of a whole file", source("pods.yaml", 0, 0)));
    findings.push(Finding::new(FindingCode::PL608, "100% of 0.0.0.0/0\nis covered").pod("app").network("lan"));
    let ignored = |reason: Option<&str>| Ignored {
        finding: finding(FindingCode::PL605, "left out", source("nads/rdma.yaml", 3, 1)),
        reason: reason.map(str::to_owned),
    };
    let mut outcome = outcome(findings, false);
    outcome.report.ignored = vec![ignored(Some("gateway is added by the router")), ignored(None)];
    outcome.report.others = [("Service".into(), 4)].into();
    outcome.report.assumed = vec!["plugins v1.9.1".into()];
    let error = InputError::new(source("bad.yaml", 2, 3), "spec", "not YAML: a tab").help("use spaces");
    outcome.report.errors = vec![error];
    outcome.skipped_files = 3;
    outcome.unknown = vec!["ranges of services: forbidden (403)".into()];
    LintOutcome { verdict: LintVerdict::Refused, ..outcome }
}

#[test]
fn the_text_shows_the_lines_that_findings_are_about() {
    insta::assert_snapshot!("pass", paint::strip(&text::report(&outcome(two_findings(), false))));
    insta::assert_snapshot!("strict", paint::strip(&text::summary(&outcome(two_findings(), true))));
    insta::assert_snapshot!("full", paint::strip(&text::report(&full())));
    let nothing = LintOutcome::new(Report::default(), vec![], false);
    insta::assert_snapshot!("nothing", paint::strip(&text::report(&nothing)));
}

#[test]
fn colours_stand_beside_words_that_say_the_same() {
    let painted = text::report(&outcome(two_findings(), false));
    assert!(painted.contains("\u{1b}[1m\u{1b}[33mwarning PL601"), "{painted:?}");
    assert!(!painted.contains("\u{1b}]8"), "no links of the terminal");
}

#[test]
fn github_gets_one_line_for_each_finding() {
    insta::assert_snapshot!("github", github::report(&full()));
}

#[test]
fn json_has_everything() {
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&full()).unwrap());
}

#[test]
fn sarif_names_rules_places_and_suppressions() {
    let mut log = serde_json::to_value(SarifLog::new(&full())).unwrap();
    for rule in log["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap() {
        let page = rule["help"]["markdown"].as_str().unwrap().to_owned();
        assert!(page.starts_with(&format!("# {}", rule["id"].as_str().unwrap())));
        rule["help"] = serde_json::json!({ "text": "PAGE" });
    }
    log["runs"][0]["tool"]["driver"]["version"] = "VERSION".into();
    insta::assert_snapshot!("sarif", serde_json::to_string_pretty(&log).unwrap());
}

/// Text of users' files can't write to the terminal, nor end a line of a workflow command.
#[test]
fn untrusted_text_is_escaped_in_every_format() {
    let evil = "a\u{1b}[2J\u{9b}2J\u{200f}\r\n::set-output name=x::y\u{202e}";
    let mut found = finding(FindingCode::PL602, evil, source(evil, 1, 1)).notes([evil]);
    found.found = Some(evil.to_owned());
    let report = Report { findings: vec![found], ..Report::default() };
    let files = vec![InputFile::new(evil, evil)];
    let outcome = LintOutcome::new(report, files, false);
    let plain = paint::strip(&text::report(&outcome));
    for text in [&plain, &github::report(&outcome)] {
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{200f}', '\r', '\u{202e}']), "{text:?}");
    }
    let raw = text::report(&outcome);
    assert!(!raw.contains("\u{1b}[2J") && !raw.contains(['\u{9b}', '\u{200f}', '\u{202e}']), "{raw:?}");
    let commands = github::report(&outcome).lines().filter(|line| line.starts_with("::")).count();
    assert_eq!(commands, 1);
    serde_json::to_value(SarifLog::new(&outcome)).unwrap();
}

#[test]
fn a_line_without_end_is_named_and_not_shown() {
    let file = InputFile::new("long.json", "x".repeat(100_000));
    let report = Report {
        findings: vec![finding(FindingCode::PL602, "somewhere", source("long.json", 1, 70_000))],
        ..Report::default()
    };
    let text = paint::strip(&text::report(&LintOutcome::new(report, vec![file], false)));
    assert!(text.len() < 1000 && text.contains("long.json:1:70000"), "{}", text.len());
}
