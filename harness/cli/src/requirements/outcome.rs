//! From reports to the table: what each requirement has shown.

use super::cases::{NEGATIVE, list_codes};
use super::suite::Suite;
use super::wanted::{LINT, Part, Requirements};
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_report::requirements::{Cell, Line, ProofStatus};
use std::collections::BTreeSet;
use std::path::Path;

/// The table for these lanes: a cell for each part of a requirement and each lane. `changes` are the lines of the changes of
/// Terway's chain.
pub fn cells(
    requirements: &Requirements,
    lanes: &[String],
    suite: &Suite,
    reports: &[ScenarioReport],
    changes: &[Line],
) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (requirement, parts) in requirements {
        for part in parts {
            for lane in part.lanes.iter().filter(|lane| lanes.contains(lane)) {
                cells.push(cell(requirement, part, lane, suite, reports, changes));
            }
        }
    }
    cells
}

fn cell(
    requirement: &str,
    part: &Part,
    lane: &str,
    suite: &Suite,
    reports: &[ScenarioReport],
    changes: &[Line],
) -> Cell {
    let find_change = |name: &str| changes.iter().find(|line| line.scenario == name).cloned();
    let lines: Vec<Line> = if lane == LINT {
        suite.lints.iter().filter(|case| case.covers(requirement)).map(|case| case.run()).collect()
    } else if part.chain_changes {
        let cases = suite.changes.iter().filter(|case| case.covers(requirement));
        cases.map(|case| find_change(&case.name).unwrap_or_else(|| case.line())).collect()
    } else {
        // A result on another cluster profile proves nothing.
        let profile = part.profile_on(lane);
        let report = |name: &str| {
            let mut of_name = reports.iter().filter(|report| report.scenario == name && report.lane == lane);
            of_name.find(|report| profile.is_none() || report.profile.as_deref() == profile)
        };
        let plans = suite.scenarios_of(requirement, part, lane);
        plans.into_iter().map(|plan| line(&plan.name, report(&plan.name), part, suite, lane)).collect()
    };
    let is_case = lane == LINT || part.chain_changes;
    let has_negative = if is_case {
        lines.iter().any(|line| line.is_negative)
    } else {
        // The requirement needs one on some lane.
        suite.negatives.iter().any(|plan| plan.covers.iter().any(|covered| covered == requirement))
    };
    let shown = if !lines.iter().any(|line| line.is_negative == part.negative) {
        ProofStatus::No(if is_case { "no case for it" } else { "no scenario for it" }.to_owned())
    } else if let Some(line) = lines.iter().find(|line| line.shown != ProofStatus::Yes) {
        line.shown.clone()
    } else if !has_negative {
        ProofStatus::No("no negative scenario".to_owned())
    } else {
        ProofStatus::Yes
    };
    Cell { requirement: requirement.to_owned(), what: part.what.clone(), lane: lane.to_owned(), shown, lines }
}

/// The line of a scenario or a negative scenario.
fn line(name: &str, report: Option<&ScenarioReport>, part: &Part, suite: &Suite, lane: &str) -> Line {
    let bare = name.strip_prefix(NEGATIVE);
    let mut line = Line::not_run(name, bare.is_some());
    let Some(report) = report else { return line };
    let with_codes = |word: &str, findings: &[Finding]| match findings {
        [] => word.to_owned(),
        findings => format!("{word}, {}", list_codes(&codes(findings))),
    };
    (line.verdict, line.checked) = match &report.verdict {
        Verdict::Pass { checked, warnings } => (with_codes("PASS", warnings), *checked),
        Verdict::Fail { checked, findings } => (with_codes("FAIL", findings), *checked),
        Verdict::Skip { .. } => ("SKIP".to_owned(), 0),
        Verdict::Error { .. } => ("ERROR".to_owned(), 0),
    };
    line.shown = match (&report.verdict, bare) {
        (Verdict::Skip { reason }, _) => ProofStatus::No(reason.clone()),
        (Verdict::Error { stage, .. }, _) => ProofStatus::Error(format!("at {stage}")),
        (Verdict::Pass { warnings, .. }, None) => match &part.finding {
            Some(code) if !codes(warnings).contains(code) => ProofStatus::No(format!("without the finding {code}")),
            _ => ProofStatus::Yes,
        },
        (Verdict::Fail { findings, .. }, None) => ProofStatus::Failed(list_codes(&codes(findings))),
        (verdict, Some(bare)) => check_negative(verdict, bare, suite, lane),
    };
    line.micros = report.timing.verdict_us;
    line.pcaps = report.evidence.as_deref().map(|folder| count_pcaps(Path::new(folder))).unwrap_or_default();
    line.evidence = report.evidence.clone();
    line
}

/// Whether a negative scenario failed with its codes and no others.
fn check_negative(verdict: &Verdict, name: &str, suite: &Suite, lane: &str) -> ProofStatus {
    let Some(expected) = suite.expected.negative.get(name) else {
        return ProofStatus::Failed("expected.yaml does not name its findings".to_owned());
    };
    let Verdict::Fail { findings, .. } = verdict else {
        return ProofStatus::Failed("it passed, and must fail".to_owned());
    };
    let expected: BTreeSet<FindingCode> = expected.codes(lane).iter().copied().collect();
    let found = codes(findings);
    if found == expected {
        return ProofStatus::Yes;
    }
    ProofStatus::Failed(format!("expected {}, found {}", list_codes(&expected), list_codes(&found)))
}

fn codes(findings: &[Finding]) -> BTreeSet<FindingCode> {
    findings.iter().map(|finding| finding.code).collect()
}

/// The number of captures in a folder and the folders in it.
fn count_pcaps(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: std::fs::DirEntry| {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            count_pcaps(&path)
        } else {
            usize::from(path.extension().is_some_and(|ending| ending == "pcap"))
        }
    };
    entries.map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expected::{Expected, Kind, Wanted};
    use plumbline_core::finding::Severity;
    use plumbline_core::plan::Plan;

    fn plan(name: &str, requirement: &str) -> Plan {
        serde_json::from_value(serde_json::json!({
            "name": name, "summary": "", "file": "", "covers": [requirement], "requires": [], "lanes": [],
            "topology": {}, "networks": [], "pods": [], "expect": [],
        }))
        .unwrap()
    }

    fn finding(code: FindingCode) -> Finding {
        Finding { severity: Severity::Failure, ..Finding::new(code, "") }
    }

    fn report(scenario: &str, verdict: Verdict) -> ScenarioReport {
        ScenarioReport { verdict, ..ScenarioReport::blank(&plan(scenario, "R01"), "netns") }
    }

    fn suite() -> Suite {
        let wanted = Wanted { verdict: Kind::Fail, codes: vec![FindingCode::PL321], codes_on: Default::default() };
        Suite {
            good: vec![plan("a/good", "R01")],
            negatives: vec![plan("negative/a/good", "R01")],
            expected: Expected { negative: [("a/good".to_owned(), wanted)].into(), ..Expected::default() },
            ..Suite::default()
        }
    }

    fn shown(part: Part, suite: &Suite, reports: &[ScenarioReport]) -> Vec<ProofStatus> {
        let requirements: Requirements = [("R01".to_owned(), vec![part])].into();
        let cells = cells(&requirements, &["netns".into(), "vm".into()], suite, reports, &[]);
        cells.into_iter().map(|cell| cell.shown).collect()
    }

    fn part() -> Part {
        Part { what: "it".into(), lanes: vec!["netns".into()], ..Part::default() }
    }

    fn pass() -> ScenarioReport {
        report("a/good", Verdict::Pass { checked: 3, warnings: vec![finding(FindingCode::PL601)] })
    }

    fn fail(code: FindingCode) -> ScenarioReport {
        report("negative/a/good", Verdict::Fail { checked: 3, findings: vec![finding(code)] })
    }

    #[test]
    fn a_pass_and_a_negative_scenario_with_its_codes_show_a_requirement() {
        assert_eq!(shown(part(), &suite(), &[pass(), fail(FindingCode::PL321)]), [ProofStatus::Yes]);
        let part = Part { finding: Some(FindingCode::PL601), ..part() };
        assert_eq!(shown(part, &suite(), &[pass(), fail(FindingCode::PL321)]), [ProofStatus::Yes]);
    }

    #[test]
    fn nothing_else_shows_it() {
        let none = |shown: Vec<ProofStatus>| shown.iter().all(|shown| *shown != ProofStatus::Yes);
        let negative = fail(FindingCode::PL321);
        assert!(none(shown(part(), &suite(), std::slice::from_ref(&negative))), "the scenario was not run");
        assert!(none(shown(part(), &suite(), &[pass()])), "the negative scenario was not run");
        assert!(
            none(shown(part(), &suite(), &[pass(), fail(FindingCode::PL320)])),
            "the negative scenario fails with another finding"
        );
        let passed = report("negative/a/good", Verdict::Pass { checked: 1, warnings: vec![] });
        assert!(none(shown(part(), &suite(), &[pass(), passed])), "the negative scenario passed");
        let skip = report("a/good", Verdict::Skip { reason: "needs vlan".into() });
        assert!(none(shown(part(), &suite(), &[skip, negative.clone()])), "it was skipped");
        let other = Part { finding: Some(FindingCode::PL901), ..part() };
        assert!(none(shown(other, &suite(), &[pass(), negative.clone()])), "without the finding");
        let other = Part { requires: Some("vlan".into()), ..part() };
        assert!(none(shown(other, &suite(), &[pass(), negative.clone()])), "no scenario requires it");
        let other = Part { lanes: vec!["vm".into()], ..part() };
        assert!(none(shown(other, &suite(), &[pass(), negative.clone()])), "it ran on another lane");
        let bare = Suite { negatives: vec![], ..suite() };
        assert!(none(shown(part(), &bare, &[pass()])), "no negative scenario anywhere");
    }

    #[test]
    fn a_scenario_that_requires_a_capability_belongs_to_the_part_that_names_it() {
        let needs = |name: &str| Plan { requires: vec!["vlan".into()], ..plan(name, "R01") };
        let with = Suite {
            good: vec![plan("a/good", "R01"), needs("a/tagged")],
            negatives: vec![plan("negative/a/good", "R01"), needs("negative/a/tagged")],
            ..suite()
        };
        let ran = [pass(), fail(FindingCode::PL321)];
        assert_ne!(shown(part(), &with, &ran), [ProofStatus::Yes], "two were not run");
        let apart = Part { without: Some("vlan".into()), ..part() };
        assert_eq!(shown(apart.clone(), &with, &ran), [ProofStatus::Yes]);
        let none_left = Suite { good: vec![needs("a/tagged")], ..with };
        assert_ne!(shown(apart, &none_left, &ran), [ProofStatus::Yes], "no scenario is its own");
    }

    #[test]
    fn a_result_on_another_cluster_profile_shows_nothing() {
        let part = Part { lanes: vec!["kind".into()], profile: Some("openshift-like".into()), ..part() };
        let requirements: Requirements = [("R01".to_owned(), vec![part.clone()])].into();
        let on = |profile: &str| {
            let place = |report: ScenarioReport| ScenarioReport {
                lane: "kind".into(),
                profile: Some(profile.to_owned()),
                ..report
            };
            [place(pass()), place(fail(FindingCode::PL321))]
        };
        let shown =
            |reports: &[ScenarioReport]| cells(&requirements, &["kind".into()], &suite(), reports, &[]).remove(0).shown;
        assert_eq!(shown(&on("openshift-like")), ProofStatus::Yes);
        assert_eq!(shown(&on("hermetic")), ProofStatus::No("it was not run".to_owned()));
        let both: Vec<ScenarioReport> = on("hermetic").into_iter().chain(on("openshift-like")).collect();
        assert_eq!(shown(&both), ProofStatus::Yes, "its own is found behind another's");
        let requirements: Requirements =
            [("R01".to_owned(), vec![part]), ("R02".to_owned(), vec![Part::default()])].into();
        let plans = suite().on_lane(&requirements, "kind");
        let names = |plans: &[Plan]| plans.iter().map(|plan| plan.name.clone()).collect::<Vec<_>>();
        let plans: Vec<_> = plans.into_iter().map(|(profile, plans)| (profile, names(&plans))).collect();
        assert_eq!(
            plans,
            [(Some("openshift-like".to_owned()), vec!["a/good".to_owned(), "negative/a/good".to_owned()])]
        );
    }

    #[test]
    fn negative_scenarios_alone_show_a_negative_part() {
        let part = Part { negative: true, ..part() };
        assert_eq!(shown(part.clone(), &suite(), &[fail(FindingCode::PL321)]), [ProofStatus::Yes]);
        assert_ne!(shown(part, &suite(), &[fail(FindingCode::PL320)]), [ProofStatus::Yes]);
    }

    #[test]
    fn a_chain_change_that_was_not_made_shows_nothing() {
        let root = crate::root::find().unwrap();
        let suite =
            super::super::suite::read(&root).unwrap_or_else(|refused| panic!("{}", refused.problems.join("\n")));
        let requirements: Requirements = super::super::wanted::read(&root, &["R10".into()]).unwrap();
        let cell = |changes: &[Line]| cells(&requirements, &["kind".into()], &suite, &[], changes).remove(0);
        assert_eq!(cell(&[]).shown, ProofStatus::No("it was not run".into()));
        let done = suite.changes.iter().map(|case| Line { shown: ProofStatus::Yes, ..case.line() });
        let done: Vec<Line> = done.collect();
        assert_eq!((cell(&done).shown, cell(&done).lines.len()), (ProofStatus::Yes, suite.changes.len()));
        assert_eq!(cell(&done[1..]).shown, ProofStatus::No("it was not run".into()));
    }
}
