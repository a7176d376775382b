//! Compares what ran, read from nextest's JUnit, with `must-run.yaml`; and writes it as Markdown for a job's summary.

use crate::must_run::{HostKind, MustRun};
use plumbline::capability::Lanes;
use plumbline_core::plan::Plan;
use quick_junit::{Report, TestCaseStatus};
use std::collections::BTreeMap;

/// The result of the check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Tests that passed, by binary.
    pub passed: BTreeMap<String, usize>,
    /// Skips that are allowed, each a line.
    pub allowed: Vec<String>,
    /// A line for each problem. Empty if there is none.
    pub wrong: Vec<String>,
}

/// The list, for one kind of host.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// The file.
    pub list: &'a MustRun,
    /// The kind of host.
    pub kind: HostKind,
}

/// Compares a run with the list. `binaries` are the test binaries that the nextest profile runs; `plans` are all scenarios,
/// to know what a skipped one requires.
pub fn check(report: &Report, host: Host<'_>, binaries: &[String], lanes: &Lanes, plans: &[Plan]) -> Checked {
    let mut checked = Checked::default();
    for suite in &report.test_suites {
        let name = suite.name.as_str();
        if name.starts_with("@setup-script:") {
            continue;
        }
        // Binaries of this crate have their own name. Names of other crates' binaries begin with the crate's name.
        let own = name.strip_prefix("plumbline-suites::");
        let binary = own.unwrap_or(name).to_owned();
        if own.is_some_and(|own| !own.starts_with("bin/") && !host.list.binaries.contains_key(own)) {
            checked.wrong.push(format!("{binary}: it ran, and suites/must-run.yaml does not list it"));
        }
        for case in &suite.test_cases {
            match &case.status {
                TestCaseStatus::Success { .. } => match find_false_pass(&binary, case.name.as_str(), lanes, plans) {
                    Some(line) => checked.wrong.push(line),
                    None => *checked.passed.entry(binary.clone()).or_default() += 1,
                },
                TestCaseStatus::Skipped { .. } => match allow_skip(&binary, case.name.as_str(), host, lanes, plans) {
                    Ok(line) => checked.allowed.push(line),
                    Err(line) => checked.wrong.push(line),
                },
                TestCaseStatus::NonSuccess { .. } => {
                    checked.wrong.push(format!("{binary} {} did not pass", case.name.as_str()));
                }
            }
        }
    }
    for name in binaries {
        let Some(binary) = host.list.binaries.get(name) else {
            checked.wrong.push(format!("{name}: suites/must-run.yaml does not list it"));
            continue;
        };
        let (passed, least) = (checked.passed.get(name).copied().unwrap_or(0), binary.least(host.kind));
        if passed < least {
            checked.wrong.push(format!("{name}: {passed} passed, expected at least {least}"));
        }
        match lanes.get(name).map(|known| &known.error) {
            _ if !binary.scenarios => {}
            None => checked.wrong.push(format!("{name}: the capability file does not have its lane")),
            Some(Some(error)) => {
                checked.wrong.push(format!("{name}: its lane could not be opened: {error}"));
            }
            Some(None) => {}
        }
    }
    checked
}

/// Why a test may have been skipped, or that it may not.
fn allow_skip(binary: &str, test: &str, host: Host<'_>, lanes: &Lanes, plans: &[Plan]) -> Result<String, String> {
    let refused = |why: &str| Err(format!("{binary} {test} was skipped, and may not be: {why}"));
    let name = test.strip_prefix("negative/").unwrap_or(test);
    let Some(plan) = plans.iter().find(|plan| plan.name == name) else {
        return refused("it is not a scenario");
    };
    let Some(known) = lanes.get(binary) else {
        return refused("the capability file does not have its lane");
    };
    let lacks: Vec<&String> =
        plan.requires.iter().filter(|need| !known.offers.0.get(*need).is_some_and(|offer| offer.there)).collect();
    match lacks.as_slice() {
        [] => refused("the lane offers all it requires"),
        lacks if lacks.iter().all(|need| host.list.may_lack.get(&host.kind).is_some_and(|may| may.contains(need))) => {
            Ok(format!("{binary} {test}: {}", known.offers.lack(&plan.requires).unwrap_or_default()))
        }
        lacks => refused(&format!("{lacks:?} is not in mayLack")),
    }
}

/// A scenario reported as passed that can't have run: a test runner that requests an ignored test reports it as passed.
fn find_false_pass(binary: &str, test: &str, lanes: &Lanes, plans: &[Plan]) -> Option<String> {
    let name = test.strip_prefix("negative/").unwrap_or(test);
    let plan = plans.iter().find(|plan| plan.name == name)?;
    let lack = lanes.get(binary)?.offers.lack(&plan.requires)?;
    Some(format!("{binary} {test} is reported as passed and can't have run: {lack}"))
}

/// A run as Markdown: tests by binary, what is wrong, and the ten slowest tests. For `GITHUB_STEP_SUMMARY`.
pub fn summary(title: &str, report: &Report, checked: &Checked) -> String {
    let mut text = format!("### {title}\n\n| binary | passed | failed | skipped |\n|---|---|---|---|\n");
    let mut times = Vec::new();
    for suite in report.test_suites.iter().filter(|suite| !suite.name.as_str().starts_with("@setup-script:")) {
        let name = suite.name.as_str().trim_start_matches("plumbline-suites::");
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for case in &suite.test_cases {
            match case.status {
                TestCaseStatus::Success { .. } => passed += 1,
                TestCaseStatus::NonSuccess { .. } => failed += 1,
                TestCaseStatus::Skipped { .. } => skipped += 1,
            }
            times.extend(case.time.map(|time| (time, format!("{name} {}", case.name.as_str()))));
        }
        text.push_str(&format!("| {name} | {passed} | {failed} | {skipped} |\n"));
    }
    text.push_str(if checked.wrong.is_empty() { "\nEnough tests ran.\n" } else { "\nWrong:\n" });
    for line in &checked.wrong {
        text.push_str(&format!("- {line}\n"));
    }
    times.sort_by(|a, b| b.cmp(a));
    text.push_str("\n| time | slowest tests |\n|---|---|\n");
    for (time, name) in times.iter().take(10) {
        text.push_str(&format!("| {:.1} s | {name} |\n", time.as_secs_f64()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::must_run::{Binary, Least};
    use plumbline::capability::Known;
    use plumbline_lanes::host::Capability;
    use quick_junit::{NonSuccessKind, TestCase, TestSuite};
    use std::time::Duration;

    fn report(status: TestCaseStatus) -> Report {
        let mut suite = TestSuite::new("plumbline-suites::netns");
        suite.add_test_case(TestCase::new("a/good", TestCaseStatus::success()));
        suite.add_test_case(TestCase::new("vlan/tagged", status));
        let mut report = Report::new("r");
        report.add_test_suite(suite);
        report
    }

    fn list(least: usize, may_lack: &[&str]) -> MustRun {
        let netns = Binary {
            lane: "netns".to_owned(),
            profile: None,
            own_cluster: false,
            scenarios: true,
            least: Least::All(least),
        };
        MustRun {
            first_profiles: Vec::new(),
            binaries: BTreeMap::from([("netns".to_owned(), netns)]),
            may_lack: BTreeMap::from([(HostKind::Any, may_lack.iter().map(ToString::to_string).collect())]),
        }
    }

    fn check_list(report: &Report, list: &MustRun, binaries: &[String], lanes: &Lanes) -> Checked {
        check(report, Host { list, kind: HostKind::Any }, binaries, lanes, &plans())
    }

    fn lanes(vlan: bool) -> Lanes {
        let mut known = Known::default();
        known.offers.0.insert("vlan".into(), Capability { there: vlan, seen: "no 8021q".into() });
        BTreeMap::from([("netns".to_owned(), known)])
    }

    fn plans() -> Vec<Plan> {
        vec![Plan { name: "vlan/tagged".into(), requires: vec!["vlan".into()], ..Plan::default() }]
    }

    fn netns() -> Vec<String> {
        vec!["netns".to_owned()]
    }

    fn wrong(status: TestCaseStatus, least: usize, may_lack: &[&str], vlan: bool) -> Vec<String> {
        check_list(&report(status), &list(least, may_lack), &netns(), &lanes(vlan)).wrong
    }

    #[test]
    fn a_skip_for_a_listed_lack_is_allowed() {
        assert_eq!(wrong(TestCaseStatus::skipped(), 1, &["vlan"], false), Vec::<String>::new());
    }

    #[test]
    fn any_other_skip_is_wrong() {
        assert!(wrong(TestCaseStatus::skipped(), 1, &[], false)[0].contains("mayLack"));
        assert!(wrong(TestCaseStatus::skipped(), 1, &["vlan"], true)[0].contains("offers all"));
    }

    #[test]
    fn a_pass_of_a_scenario_that_cannot_have_run_is_wrong() {
        let wrong = wrong(TestCaseStatus::success(), 1, &["vlan"], false);
        assert!(wrong[0].contains("can't have run"), "{wrong:?}");
    }

    #[test]
    fn a_lane_that_could_not_be_opened_is_wrong_although_tests_passed() {
        let mut lanes = lanes(true);
        lanes.get_mut("netns").unwrap().error = Some("no engine".into());
        let checked = check_list(&report(TestCaseStatus::success()), &list(1, &[]), &netns(), &lanes);
        assert!(checked.wrong[0].contains("no engine"), "{:?}", checked.wrong);
    }

    #[test]
    fn a_lane_that_the_capability_file_does_not_have_is_wrong() {
        let checked = check_list(&report(TestCaseStatus::success()), &list(1, &[]), &netns(), &Lanes::default());
        assert!(checked.wrong[0].contains("capability file"), "{:?}", checked.wrong);
    }

    #[test]
    fn a_binary_of_another_crate_does_not_count() {
        let mut other = report(TestCaseStatus::success());
        other.test_suites[0].name = "plumbline-lanes::netns".into();
        let checked = check_list(&other, &list(1, &[]), &netns(), &lanes(true));
        assert!(checked.wrong[0].contains("0 passed"), "{:?}", checked.wrong);
    }

    #[test]
    fn a_binary_that_is_not_listed_is_wrong() {
        let mut other = report(TestCaseStatus::success());
        other.test_suites[0].name = "plumbline-suites::forgotten".into();
        let checked = check_list(&other, &list(0, &[]), &netns(), &lanes(true));
        assert!(checked.wrong[0].contains("forgotten"), "{:?}", checked.wrong);
    }

    #[test]
    fn too_few_are_wrong() {
        assert!(wrong(TestCaseStatus::skipped(), 2, &["vlan"], false)[0].contains("at least 2"));
        assert_eq!(wrong(TestCaseStatus::success(), 2, &[], true), Vec::<String>::new());
    }

    #[test]
    fn the_summary_lists_failures_and_the_slowest_tests() {
        let mut report = report(TestCaseStatus::non_success(NonSuccessKind::Failure));
        report.test_suites[0].test_cases[0].set_time(Duration::from_millis(1500));
        let checked = check_list(&report, &list(1, &[]), &netns(), &lanes(true));
        let text = summary("netns", &report, &checked);
        assert!(text.contains("| netns | 1 | 1 | 0 |"), "{text}");
        assert!(text.contains("- netns vlan/tagged did not pass"), "{text}");
        assert!(text.contains("| 1.5 s | netns a/good |"), "{text}");
    }
}
