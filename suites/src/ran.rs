//! What ran, read from nextest's JUnit, held against `must-run.yaml`. Pure but for its inputs.

use crate::must_run::Host;
use plumbline::capability::Lanes;
use plumbline_core::plan::Plan;
use quick_junit::{Report, TestCaseStatus};
use std::collections::BTreeMap;

/// What the check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Tests that passed, by binary.
    pub passed: BTreeMap<String, usize>,
    /// Skips that are allowed, each a line.
    pub allowed: Vec<String>,
    /// What is wrong, each a line; empty when all is well.
    pub wrong: Vec<String>,
}

/// Holds a run against the list. `binaries` are the test binaries that this profile runs; `plans` are all scenarios,
/// to know what a skipped one requires.
#[must_use]
pub fn check(report: &Report, host: &Host, binaries: &[String], lanes: &Lanes, plans: &[Plan]) -> Checked {
    let mut checked = Checked::default();
    for suite in &report.test_suites {
        let name = suite.name.as_str();
        if name.starts_with("@setup-script:") {
            continue;
        }
        // Binaries of this crate by their own name; those of others keep their crate's, so that none counts for ours.
        let own = name.strip_prefix("plumbline-suites::");
        let binary = own.unwrap_or(name).to_owned();
        if own.is_some_and(|own| !own.starts_with("bin/") && !host.least.contains_key(own)) {
            checked.wrong.push(format!("{binary}: it ran, and suites/must-run.yaml does not say how many must"));
        }
        for case in &suite.test_cases {
            match &case.status {
                TestCaseStatus::Success { .. } => match impossible(&binary, case.name.as_str(), lanes, plans) {
                    Some(line) => checked.wrong.push(line),
                    None => *checked.passed.entry(binary.clone()).or_default() += 1,
                },
                TestCaseStatus::Skipped { .. } => match excuse(&binary, case.name.as_str(), host, lanes, plans) {
                    Ok(line) => checked.allowed.push(line),
                    Err(line) => checked.wrong.push(line),
                },
                TestCaseStatus::NonSuccess { .. } => {
                    checked.wrong.push(format!("{binary} {} did not pass", case.name.as_str()));
                }
            }
        }
    }
    for (binary, least) in host.least.iter().filter(|(binary, _)| binaries.contains(binary)) {
        let passed = checked.passed.get(binary).copied().unwrap_or(0);
        if passed < *least {
            checked.wrong.push(format!("{binary}: {passed} passed, at least {least} must"));
        }
    }
    for bed in host.beds.iter().filter(|bed| binaries.contains(bed)) {
        match lanes.get(bed).map(|known| &known.error) {
            None => checked.wrong.push(format!("{bed}: nobody noted what its lane offers")),
            Some(Some(error)) => {
                checked.wrong.push(format!("{bed}: its lane was TestbedError when it was last opened: {error}"));
            }
            Some(None) => {}
        }
    }
    for binary in binaries.iter().filter(|binary| !host.least.contains_key(*binary)) {
        checked.wrong.push(format!("{binary}: suites/must-run.yaml does not say how many must run"));
    }
    checked
}

/// Why a test may have been skipped, or that it may not.
fn excuse(binary: &str, test: &str, host: &Host, lanes: &Lanes, plans: &[Plan]) -> Result<String, String> {
    let refused = |why: &str| Err(format!("{binary} {test} was skipped, and may not be: {why}"));
    let name = test.strip_prefix("negative/").unwrap_or(test);
    let Some(plan) = plans.iter().find(|plan| plan.name == name) else {
        return refused("it is no scenario");
    };
    let Some(known) = lanes.get(binary) else {
        return refused("the capability file knows nothing of its lane");
    };
    let lacks: Vec<&String> =
        plan.requires.iter().filter(|need| !known.offers.0.get(*need).is_some_and(|offer| offer.there)).collect();
    match lacks.as_slice() {
        [] => refused("the lane offers all it requires"),
        lacks if lacks.iter().all(|need| host.may_lack.contains(need)) => {
            Ok(format!("{binary} {test}: {}", known.offers.lack(&plan.requires).unwrap_or_default()))
        }
        lacks => refused(&format!("{lacks:?} is not in mayLack")),
    }
}

/// Why a scenario that is said to have passed can't have run: a test runner that asks for an ignored test calls it passed.
fn impossible(binary: &str, test: &str, lanes: &Lanes, plans: &[Plan]) -> Option<String> {
    let name = test.strip_prefix("negative/").unwrap_or(test);
    let plan = plans.iter().find(|plan| plan.name == name)?;
    let lack = lanes.get(binary)?.offers.lack(&plan.requires)?;
    Some(format!("{binary} {test} is said to have passed, and can't have run: {lack}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline::capability::Known;
    use plumbline_lanes::lane::Offer;
    use quick_junit::{TestCase, TestSuite};

    fn report(status: TestCaseStatus) -> Report {
        let mut suite = TestSuite::new("plumbline-suites::netns");
        suite.add_test_case(TestCase::new("a/good", TestCaseStatus::success()));
        suite.add_test_case(TestCase::new("vlan/tagged", status));
        let mut report = Report::new("r");
        report.add_test_suite(suite);
        report
    }

    fn host(least: usize, may_lack: &[&str]) -> Host {
        Host {
            least: BTreeMap::from([("netns".to_owned(), least)]),
            beds: vec!["netns".to_owned()],
            may_lack: may_lack.iter().map(ToString::to_string).collect(),
        }
    }

    fn lanes(vlan: bool) -> Lanes {
        let mut known = Known::default();
        known.offers.0.insert("vlan".into(), Offer { there: vlan, seen: "no 8021q".into() });
        BTreeMap::from([("netns".to_owned(), known)])
    }

    fn plans() -> Vec<Plan> {
        vec![Plan {
            name: "vlan/tagged".into(),
            summary: String::new(),
            file: String::new(),
            rows: vec![],
            requires: vec!["vlan".into()],
            lanes: vec![],
            topology: plumbline_core::plan::Topology::default(),
            networks: vec![],
            pods: vec![],
            expect: vec![],
        }]
    }

    fn wrong(status: TestCaseStatus, least: usize, may_lack: &[&str], vlan: bool) -> Vec<String> {
        check(&report(status), &host(least, may_lack), &["netns".to_owned()], &lanes(vlan), &plans()).wrong
    }

    #[test]
    fn a_skip_for_a_lack_that_is_allowed_is_well() {
        assert_eq!(wrong(TestCaseStatus::skipped(), 1, &["vlan"], false), Vec::<String>::new());
    }

    #[test]
    fn any_other_skip_is_wrong() {
        assert!(wrong(TestCaseStatus::skipped(), 1, &[], false)[0].contains("mayLack"));
        assert!(wrong(TestCaseStatus::skipped(), 1, &["vlan"], true)[0].contains("offers all"));
    }

    #[test]
    fn a_pass_of_what_cannot_have_run_is_wrong() {
        let wrong = wrong(TestCaseStatus::success(), 1, &["vlan"], false);
        assert!(wrong[0].contains("can't have run"), "{wrong:?}");
    }

    #[test]
    fn a_lane_that_was_broken_is_wrong_whatever_passed() {
        let mut lanes = lanes(true);
        lanes.get_mut("netns").unwrap().error = Some("no engine".into());
        let checked = check(&report(TestCaseStatus::success()), &host(1, &[]), &["netns".to_owned()], &lanes, &plans());
        assert!(checked.wrong[0].contains("no engine"), "{:?}", checked.wrong);
    }

    #[test]
    fn a_lane_of_which_nothing_was_noted_is_wrong() {
        let (report, binaries) = (report(TestCaseStatus::success()), ["netns".to_owned()]);
        let checked = check(&report, &host(1, &[]), &binaries, &Lanes::default(), &plans());
        assert!(checked.wrong[0].contains("nobody noted"), "{:?}", checked.wrong);
    }

    #[test]
    fn a_binary_of_another_crate_does_not_count() {
        let mut other = report(TestCaseStatus::success());
        other.test_suites[0].name = "plumbline-lanes::netns".into();
        let checked = check(&other, &host(1, &[]), &["netns".to_owned()], &lanes(true), &plans());
        assert!(checked.wrong[0].contains("0 passed"), "{:?}", checked.wrong);
    }

    #[test]
    fn a_binary_that_nobody_listed_is_wrong() {
        let mut other = report(TestCaseStatus::success());
        other.test_suites[0].name = "plumbline-suites::forgotten".into();
        let checked = check(&other, &host(0, &[]), &["netns".to_owned()], &lanes(true), &plans());
        assert!(checked.wrong[0].contains("forgotten"), "{:?}", checked.wrong);
    }

    #[test]
    fn too_few_are_wrong() {
        assert!(wrong(TestCaseStatus::skipped(), 2, &["vlan"], false)[0].contains("at least 2"));
        assert_eq!(wrong(TestCaseStatus::success(), 2, &[], true), Vec::<String>::new());
    }
}
