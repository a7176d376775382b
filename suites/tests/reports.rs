//! The layout of every kind of report: reports made by hand, texts in `golden/reports/layout/`.

use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::observe::Transcript;
use plumbline_core::source::Source;
use plumbline_core::verdict::{Adaptation, ScenarioReport, Timing, Verdict};
use plumbline_report::text::{self, Transcripts};
use plumbline_report::{junit, paint};
use plumbline_suites::golden;

fn finding(code: FindingCode, expected: Option<&str>, found: Option<&str>, notes: &[&str]) -> Finding {
    let finding = Finding::new(code, "a route is not as expected").pod("client").interface("eth1").network("sip-net");
    let source = Source { file: "case.yaml".into(), line: 31, column: 11 };
    Finding { expected: expected.map(Into::into), ..finding.found(found.map(str::to_owned)).source(&source) }
        .notes(notes.iter().map(ToString::to_string))
}

fn report(verdict: Verdict) -> ScenarioReport {
    ScenarioReport {
        scenario: "topic/case".into(),
        summary: "a case made by hand".into(),
        file: "case.yaml".into(),
        lane: "netns".into(),
        profile: None,
        covers: vec!["R01".into()],
        verdict,
        adaptations: vec![],
        assumed: vec![],
        isolation: None,
        notes: vec![],
        stand_ins: vec![],
        transcripts: vec![Transcript {
            pod: "client".into(),
            command: "ip route".into(),
            text: "default via 10.0.0.1\n".into(),
        }],
        timing: Timing { verdict_us: 137_000, total_us: 0, plugins_us: 70_000, ready_us: 0 },
        evidence: None,
    }
}

fn fail(findings: Vec<Finding>) -> ScenarioReport {
    report(Verdict::Fail { checked: 14, findings })
}

const WANTED: &str = "10.0.0.0/8 via 192.168.100.1 dev eth1";
const OTHER: &str = "10.0.0.0/8 via 192.168.100.2 dev eth1";

fn beside() -> ScenarioReport {
    let mut report = report(Verdict::Pass { checked: 14, warnings: vec![] });
    report.lane = "kind".into();
    report.profile = Some("hermetic".into());
    report.timing.ready_us = 2_100_000;
    report.adaptations = vec![
        Adaptation {
            object: "pod/client".into(),
            field: "spec.containers[0].image".into(),
            from: Some("registry.example/ubi:latest".into()),
            to: "plumbline.local/toolbox:1".into(),
            reason: "its registry can't be reached".into(),
        },
        Adaptation {
            object: "pod/client".into(),
            field: "spec.securityContext.runAsUser".into(),
            from: None,
            to: "1000".into(),
            reason: "nothing here assigns one".into(),
        },
    ];
    report.assumed = vec!["bridge ens3 on the node: network a has it for master".into()];
    report.isolation = Some("namespace chain-example-7f3a of its own".into());
    report.notes = vec!["parent of eth1 of pod client: not observable here".into()];
    report.stand_ins = vec!["route-override: plumbline's, not upstream's".into()];
    report.evidence = Some("/state/runs/r1/evidence".into());
    report
}

#[test]
fn reports_match_their_golden_text() -> anyhow::Result<()> {
    let reports = [
        ("pass", report(Verdict::Pass { checked: 14, warnings: vec![] })),
        ("one-fact", report(Verdict::Pass { checked: 1, warnings: vec![] })),
        (
            "warnings",
            report(Verdict::Pass {
                checked: 14,
                warnings: vec![
                    finding(FindingCode::PL601, None, None, &["no release of the plugin reads it"]),
                    finding(FindingCode::PL205, None, Some(OTHER), &[]),
                ],
            }),
        ),
        ("nearest", fail(vec![finding(FindingCode::PL321, Some(WANTED), Some(OTHER), &[])])),
        ("missing", fail(vec![finding(FindingCode::PL320, Some(WANTED), None, &[])])),
        (
            "event",
            fail(vec![
                finding(FindingCode::PL401, Some("a reply from 10.1.2.3"), Some("no reply to 3 requests"), &[]),
                finding(FindingCode::PL405, Some("VLAN 100 on uplink outside"), None, &[]),
            ]),
        ),
        ("surplus", fail(vec![finding(FindingCode::PL323, None, Some(OTHER), &[])])),
        (
            "words",
            fail(vec![finding(
                FindingCode::PL202,
                Some(WANTED),
                None,
                &["route-override wrote on stderr: network is unreachable"],
            )]),
        ),
        (
            "many",
            fail(vec![
                finding(FindingCode::PL320, Some(WANTED), None, &[]),
                finding(FindingCode::PL323, None, Some(OTHER), &[]),
                finding(FindingCode::PL601, None, None, &[]),
            ]),
        ),
        ("strict", fail(vec![finding(FindingCode::PL601, None, None, &[])])),
        (
            "hostile",
            fail(vec![finding(
                FindingCode::PL301,
                Some("10.0.0.0/8"),
                Some("\u{1b}[2J\u{1b}[HPASS, 99 facts checked\r"),
                &["\u{202e}txet desrever", "two\nlines"],
            )]),
        ),
        ("skip", report(Verdict::Skip { reason: "needs vlan: this kernel has no 8021q".into() })),
        (
            "error",
            report(Verdict::Error {
                stage: "install Multus".into(),
                cause: "waited 60 s for daemon set kube-multus-ds; last seen: 0 of 1 ready".into(),
                hint: Some("plumbline up, then again".into()),
            }),
        ),
        ("beside", beside()),
    ];
    let mut text = String::new();
    for (name, report) in reports {
        text.push_str(&format!("==== {name}\n{}\n", paint::strip(&text::scenario(&report, Transcripts::OnFailure))));
    }
    golden::check_text(&plumbline::root::find()?, "layout/reports", "", &text);
    Ok(())
}

#[test]
fn transcripts_are_shown_on_request() {
    let pass = report(Verdict::Pass { checked: 1, warnings: vec![] });
    let error = report(Verdict::Error { stage: "s".into(), cause: "c".into(), hint: None });
    for (when, of_pass, of_error) in
        [(Transcripts::Always, true, true), (Transcripts::OnFailure, false, true), (Transcripts::Never, false, false)]
    {
        let shows = |report: &ScenarioReport| text::scenario(report, when).contains("default via 10.0.0.1");
        assert_eq!((shows(&pass), shows(&error)), (of_pass, of_error), "{when:?}");
    }
}

#[test]
fn junit_distinguishes_verdicts() -> anyhow::Result<()> {
    let mut reports = vec![
        report(Verdict::Pass { checked: 14, warnings: vec![] }),
        fail(vec![finding(FindingCode::PL320, Some(WANTED), None, &[])]),
        report(Verdict::Skip { reason: "needs vlan".into() }),
        report(Verdict::Error { stage: "observe".into(), cause: "pod gone \u{1b}[31m".into(), hint: None }),
    ];
    for (number, report) in reports.iter_mut().enumerate() {
        report.scenario = format!("topic/case-{number}");
    }
    let xml = junit::document(&reports, 1500)?;
    golden::check_text(&plumbline::root::find()?, "layout/junit", "", &xml);
    let read = quick_junit::Report::deserialize_from_str(&xml)?;
    assert_eq!((read.tests, read.failures, read.errors), (4, 1, 1));
    Ok(())
}
