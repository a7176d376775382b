//! Scenarios, negative scenarios and cases, by requirement and lane.

use super::cases::{self, ChangeCase, LintCase, NEGATIVE};
use super::wanted::{self, Part, Requirements};
use crate::expected::{self, Expected, Kind};
use crate::runner::meant_for;
use crate::select::{self, Refused};
use plumbline_core::plan::{Plan, split_case};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that can prove a requirement.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    /// Scenarios that must pass.
    pub good: Vec<Plan>,
    /// Scenarios that must fail. Their names have the prefix [`NEGATIVE`]: one may share its name with a scenario that must
    /// pass, and reports and evidence are found by name.
    pub negatives: Vec<Plan>,
    /// The expected findings.
    pub expected: Expected,
    /// Lint cases of Terway's chain, negative ones among them.
    pub lints: Vec<LintCase>,
    /// Changes of Terway's chain, negative ones among them.
    pub changes: Vec<ChangeCase>,
}

/// Reads `suites/scenarios`, `suites/chains`, `suites/chain-changes`, and the negative folder of each.
///
/// # Errors
/// [`Refused`] with every invalid file. Negative scenarios that the reader must refuse are left out: no lane runs them.
pub fn read(root: &Path) -> Result<Suite, Refused> {
    let good = select::plans(Some(root), &[root.join("suites/scenarios")])?;
    let expected = expected::read(root).map_err(|error| Refused::one(format!("{error:#}")))?;
    let folder = root.join("suites/negative");
    let mut negatives = Vec::new();
    let mut problems = Vec::new();
    for file in select::find(Some(root), std::slice::from_ref(&folder))? {
        let name = file.strip_prefix(&folder).unwrap_or(&file).with_extension("");
        let wanted = name.to_str().and_then(|name| expected.negative.get(name));
        match select::cases(Some(root), &file) {
            Ok(plans) if plans.iter().any(|plan| name.to_str() != Some(split_case(&plan.name).0)) => {
                let file = file.display();
                problems.push(format!("{file}: metadata.name is not the name of the file"));
            }
            Ok(plans) => negatives
                .extend(plans.into_iter().map(|plan| Plan { name: format!("{NEGATIVE}{}", plan.name), ..plan })),
            Err(_) if wanted.is_some_and(|wanted| wanted.verdict == Kind::Refused) => {}
            Err(refused) => problems.extend(refused.problems),
        }
    }
    let (lints, changes) = (cases::read_lints(root), cases::read_changes(root));
    let refused = [lints.as_ref().err(), changes.as_ref().err()].into_iter().flatten();
    problems.extend(refused.flat_map(|refused| refused.problems.clone()));
    let (lints, changes) = (lints.unwrap_or_default(), changes.unwrap_or_default());
    let suite = Suite { good, negatives, expected, lints, changes };
    problems.extend(suite.unknown_requirements(&wanted::read(root, &[])?));
    if problems.is_empty() { Ok(suite) } else { Err(Refused { problems }) }
}

impl Suite {
    /// Names of requirements that are not in the file, a line each: a scenario with such a name would prove nothing.
    fn unknown_requirements(&self, wanted: &Requirements) -> Vec<String> {
        let plans = self.good.iter().chain(&self.negatives).map(|plan| (plan.file.as_str(), &plan.covers));
        let lints = self.lints.iter().map(|case| (case.name.as_str(), &case.covers));
        let changes = self.changes.iter().map(|case| (case.name.as_str(), &case.covers));
        let named =
            plans.chain(lints).chain(changes).flat_map(|(file, covers)| covers.iter().map(move |name| (file, name)));
        let unknown = named.filter(|(_, name)| !wanted.contains_key(*name));
        let problem =
            |(file, name)| format!("{file}: metadata.covers: `{name}` is no requirement of suites/requirements.yaml");
        unknown.map(problem).collect()
    }

    /// The scenarios for a part of a requirement on a lane: those that can show it, then its negative scenarios.
    pub fn scenarios_of(&self, requirement: &str, part: &Part, lane: &str) -> Vec<&Plan> {
        let fits = |plan: &&Plan| {
            let is_excluded = part.without.as_ref().is_some_and(|without| plan.requires.contains(without));
            plan.covers.iter().any(|named| named == requirement) && meant_for(plan, lane) && !is_excluded
        };
        let can_show = |plan: &&Plan| part.requires.as_ref().is_none_or(|needs| plan.requires.contains(needs));
        let good = if part.negative { &[] } else { self.good.as_slice() };
        let good = good.iter().filter(fits).filter(can_show);
        let negatives = self.negatives.iter().filter(fits).filter(|plan| !part.negative || can_show(plan));
        good.chain(negatives).collect()
    }

    /// Everything that a lane runs for these requirements, each plan once for each cluster profile.
    pub fn on_lane(&self, requirements: &Requirements, lane: &str) -> BTreeMap<Option<String>, Vec<Plan>> {
        let mut by_profile: BTreeMap<Option<String>, Vec<Plan>> = BTreeMap::new();
        for (requirement, part) in
            parts(requirements).filter(|(_, part)| part.lanes.iter().any(|wanted| wanted == lane))
        {
            for plan in self.scenarios_of(requirement, part, lane) {
                let plans = by_profile.entry(part.profile_on(lane).map(str::to_owned)).or_default();
                if !plans.iter().any(|known| known.name == plan.name) {
                    plans.push(plan.clone());
                }
            }
        }
        // Scenarios with the same default network follow each other, so that a cluster changes its chain less often.
        for plans in by_profile.values_mut() {
            plans.sort_by_cached_key(|plan| plan.topology.default_network.as_ref().map(|own| own.config.clone()));
        }
        by_profile
    }

    /// The changes of Terway's chain for these requirements on these lanes, each once, by cluster profile.
    pub fn changes_of(&self, requirements: &Requirements, lanes: &[String]) -> BTreeMap<String, Vec<&ChangeCase>> {
        let mut by_profile: BTreeMap<String, Vec<&ChangeCase>> = BTreeMap::new();
        let of_lanes = |part: &Part| part.chain_changes && part.lanes.iter().any(|lane| lanes.contains(lane));
        for (requirement, part) in parts(requirements).filter(|(_, part)| of_lanes(part)) {
            let Some(profile) = &part.profile else { continue };
            let cases = by_profile.entry(profile.clone()).or_default();
            for case in self.changes.iter().filter(|case| case.covers(requirement)) {
                if !cases.iter().any(|known| known.name == case.name) {
                    cases.push(case);
                }
            }
        }
        by_profile
    }
}

/// Each part with its requirement.
fn parts(requirements: &Requirements) -> impl Iterator<Item = (&String, &Part)> {
    requirements.iter().flat_map(|(requirement, parts)| parts.iter().map(move |part| (requirement, part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;
    use std::collections::BTreeSet;

    #[test]
    fn the_suite_is_read_and_a_negative_scenario_may_share_a_name() {
        let suite = read(&root::find().unwrap()).unwrap_or_else(|refused| panic!("{}", refused.problems.join("\n")));
        let all: Vec<&str> = suite.good.iter().chain(&suite.negatives).map(|plan| plan.name.as_str()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "reports and evidence go by name");
        let bare = |negative: &Plan| negative.name.strip_prefix(NEGATIVE).unwrap().to_owned();
        assert!(suite.negatives.iter().any(|negative| suite.good.iter().any(|plan| plan.name == bare(negative))));
        assert!(suite.negatives.iter().all(|negative| suite.expected.negative.contains_key(&bare(negative))));
    }

    #[test]
    fn a_scenario_with_an_unknown_requirement_is_refused() {
        let plan = |requirements: &[&str]| Plan {
            file: "a.yaml".into(),
            covers: requirements.iter().map(|requirement| (*requirement).to_owned()).collect(),
            ..Plan::default()
        };
        let requirements = Requirements::from([("R01".to_owned(), vec![Part::default()])]);
        let unknown = |covers: &[&str]| {
            Suite { good: vec![plan(covers)], ..Suite::default() }.unknown_requirements(&requirements)
        };
        assert_eq!(unknown(&["R01"]), Vec::<String>::new());
        assert_eq!(
            unknown(&["R01", "R77"]),
            ["a.yaml: metadata.covers: `R77` is no requirement of suites/requirements.yaml"]
        );
    }
}
