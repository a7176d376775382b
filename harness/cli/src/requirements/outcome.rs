//! From reports to the table: what each requirement has shown.

use super::suite::{NEGATIVE, Suite};
use super::wanted::{Part, Requirements};
use super::{cases, chain_changes, chains};
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_report::requirements::{Cell, Line, ProofStatus};
use std::collections::BTreeSet;
use std::path::Path;

/// The table of what was run on these lanes, `changes` what was done to Terway's chain: for every requirement one cell per lane that it wants, with its lines.
#[must_use]
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
    if lane == chains::LINT {
        return chains::cell(requirement, part, &suite.chains);
    }
    if part.chain_changes {
        let of_requirement =
            suite.chain_changes.iter().filter(|case| case.covers.iter().any(|named| named == requirement));
        let line = |case: &chain_changes::Case| {
            let done = changes.iter().find(|line| line.scenario == case.name).cloned();
            done.unwrap_or_else(|| cases::blank(&case.name, case.is_negative))
        };
        return cases::cell(requirement, part, lane, of_requirement.map(line).collect());
    }
    // What was shown on another cluster than is wanted is not shown.
    let profile = part.profile_on(lane);
    let is_there = |report: &&ScenarioReport| profile.is_none() || report.profile.as_deref() == profile;
    let report = |name: &str| {
        let mut of_it = reports.iter().filter(|report| report.scenario == name && report.lane == lane);
        of_it.find(is_there)
    };
    let showing = suite.showing(requirement, part, lane);
    let mut lines = Vec::new();
    for plan in &showing {
        let line = if part.negative {
            negative(&plan.name, report(&plan.name), suite, lane)
        } else {
            good(&plan.name, report(&plan.name), part)
        };
        lines.push(line);
    }
    if !part.negative {
        let negatives = suite.negatives_of(requirement, part, lane);
        lines.extend(negatives.into_iter().map(|plan| negative(&plan.name, report(&plan.name), suite, lane)));
    }
    let shown = match showing.is_empty() {
        true => ProofStatus::No("no scenario for it".to_owned()),
        false => {
            lines.iter().find(|line| line.shown != ProofStatus::Yes).map_or(ProofStatus::Yes, |line| line.shown.clone())
        }
    };
    // On another lane there may be one; the requirement as a whole must have one somewhere.
    let anywhere = suite.negatives.iter().any(|plan| plan.covers.iter().any(|named| named == requirement));
    let shown =
        if shown == ProofStatus::Yes && !anywhere { ProofStatus::No("no negative scenario".to_owned()) } else { shown };
    Cell { requirement: requirement.to_owned(), what: part.what.clone(), lane: lane.to_owned(), shown, lines }
}

fn good(name: &str, report: Option<&ScenarioReport>, part: &Part) -> Line {
    let shown = match report.map(|report| &report.verdict) {
        None => ProofStatus::No("it was not run".to_owned()),
        Some(Verdict::Pass { warnings, .. }) => match &part.finding {
            Some(code) if !codes(warnings).contains(code) => ProofStatus::No(format!("without the finding {code}")),
            _ => ProofStatus::Yes,
        },
        Some(Verdict::Fail { findings, .. }) => ProofStatus::Failed(listed(findings)),
        Some(Verdict::Skip { reason }) => ProofStatus::No(reason.clone()),
        Some(Verdict::Error { stage, .. }) => ProofStatus::Error(format!("at {stage}")),
    };
    line(name, false, shown, report)
}

fn negative(name: &str, report: Option<&ScenarioReport>, suite: &Suite, lane: &str) -> Line {
    let wanted = suite.expected.negative.get(name.strip_prefix(NEGATIVE).unwrap_or(name));
    let shown = match (report.map(|report| &report.verdict), wanted) {
        (None, _) => ProofStatus::No("it was not run".to_owned()),
        (_, None) => ProofStatus::Failed("expected.yaml does not say with which findings it must fail".to_owned()),
        (Some(Verdict::Fail { findings, .. }), Some(wanted)) => {
            let wanted: BTreeSet<FindingCode> = wanted.codes(lane).iter().copied().collect();
            if codes(findings) == wanted {
                ProofStatus::Yes
            } else {
                ProofStatus::Failed(format!("fails with {}, wanted {}", listed(findings), cases::listed(&wanted)))
            }
        }
        (Some(Verdict::Pass { .. }), _) => ProofStatus::Failed("it passed, and must not".to_owned()),
        (Some(Verdict::Skip { reason }), _) => ProofStatus::No(reason.clone()),
        (Some(Verdict::Error { stage, .. }), _) => ProofStatus::Error(format!("at {stage}")),
    };
    line(name, true, shown, report)
}

fn line(name: &str, is_negative: bool, shown: ProofStatus, report: Option<&ScenarioReport>) -> Line {
    let (verdict, checked) = match report.map(|report| &report.verdict) {
        None => (String::new(), 0),
        Some(Verdict::Pass { checked, warnings }) if warnings.is_empty() => ("PASS".to_owned(), *checked),
        Some(Verdict::Pass { checked, warnings }) => (format!("PASS, {}", listed(warnings)), *checked),
        Some(Verdict::Fail { checked, findings }) => (format!("FAIL, {}", listed(findings)), *checked),
        Some(Verdict::Skip { .. }) => ("SKIP".to_owned(), 0),
        Some(Verdict::Error { .. }) => ("ERROR".to_owned(), 0),
    };
    let evidence = report.and_then(|report| report.evidence.clone());
    Line {
        scenario: name.to_owned(),
        is_negative,
        verdict,
        shown,
        checked,
        micros: report.map(|report| report.timing.verdict_us).unwrap_or_default(),
        pcaps: evidence.as_deref().map(|folder| pcaps(Path::new(folder))).unwrap_or_default(),
        evidence,
    }
}

fn codes(findings: &[Finding]) -> BTreeSet<FindingCode> {
    findings.iter().map(|finding| finding.code).collect()
}

fn listed(findings: &[Finding]) -> String {
    cases::listed(&codes(findings))
}

/// How many captures lie in a folder and the folders in it.
fn pcaps(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: std::fs::DirEntry| {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            pcaps(&path)
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
    fn a_pass_and_a_twin_that_fails_as_wanted_show_a_row() {
        assert_eq!(shown(part(), &suite(), &[pass(), fail(FindingCode::PL321)]), [ProofStatus::Yes]);
        let part = Part { finding: Some(FindingCode::PL601), ..part() };
        assert_eq!(shown(part, &suite(), &[pass(), fail(FindingCode::PL321)]), [ProofStatus::Yes]);
    }

    #[test]
    fn nothing_else_does() {
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
    fn what_requires_a_capability_is_left_to_the_part_that_wants_it() {
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
    fn what_was_shown_on_another_cluster_is_not_shown() {
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
        let beds = suite().on_lane(&requirements, "kind");
        let names = |plans: &[Plan]| plans.iter().map(|plan| plan.name.clone()).collect::<Vec<_>>();
        let beds: Vec<_> = beds.into_iter().map(|(profile, plans)| (profile, names(&plans))).collect();
        assert_eq!(
            beds,
            [(Some("openshift-like".to_owned()), vec!["a/good".to_owned(), "negative/a/good".to_owned()])]
        );
    }

    #[test]
    fn a_row_of_twins_is_shown_by_them_alone() {
        let part = Part { negative: true, ..part() };
        assert_eq!(shown(part.clone(), &suite(), &[fail(FindingCode::PL321)]), [ProofStatus::Yes]);
        assert_ne!(shown(part, &suite(), &[fail(FindingCode::PL320)]), [ProofStatus::Yes]);
    }
    #[test]
    fn a_change_of_the_chain_that_was_not_done_shows_nothing() {
        let root = crate::root::find().unwrap();
        let suite =
            super::super::suite::read(&root).unwrap_or_else(|refused| panic!("{}", refused.problems.join("\n")));
        let requirements: Requirements = super::super::wanted::read(&root, &["R10".into()]).unwrap();
        let cell = |changes: &[Line]| cells(&requirements, &["kind".into()], &suite, &[], changes).remove(0);
        assert_eq!(cell(&[]).shown, ProofStatus::No("it was not run".into()));
        let done =
            |case: &chain_changes::Case| Line { shown: ProofStatus::Yes, ..cases::blank(&case.name, case.is_negative) };
        let done: Vec<Line> = suite.chain_changes.iter().map(done).collect();
        assert_eq!((cell(&done).shown, cell(&done).lines.len()), (ProofStatus::Yes, suite.chain_changes.len()));
        assert_eq!(cell(&done[1..]).shown, ProofStatus::No("it was not run".into()));
    }
}
