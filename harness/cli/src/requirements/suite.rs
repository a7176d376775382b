//! Scenarios and their negative scenarios, by requirement and lane.

use super::chain_changes;
use super::chains::{self, Case};
use super::wanted::{self, Part, Requirements};
use crate::expected::{self, Expected, Kind};
use crate::runner::meant_for;
use crate::select::{self, Refused};
use plumbline_core::plan::Plan;
use std::collections::BTreeMap;
use std::path::Path;

/// Before the name of a negative case, as in the titles of the tests.
pub const NEGATIVE: &str = "negative/";

/// Everything that could prove a requirement.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    /// Scenarios that must pass.
    pub good: Vec<Plan>,
    /// Scenarios that must fail, each under [`NEGATIVE`] and its name: a negative case may be called as what it is bent from, and
    /// reports and evidence go by name.
    pub negatives: Vec<Plan>,
    /// With which findings.
    pub expected: Expected,
    /// Cases of the lint of Terway's chain, negatives among them.
    pub chains: Vec<Case>,
    /// Changes of Terway's chain, negatives among them.
    pub chain_changes: Vec<chain_changes::Case>,
}

/// Reads `suites/scenarios`, `suites/chains`, `suites/chain-changes`, and the folder of negatives beside each.
///
/// # Errors
/// [`Refused`] with every file that is not as it must be. Of negatives those that are to be refused are left out: their
/// requirements can't be read, and nothing of them runs on a lane.
pub fn read(root: &Path) -> Result<Suite, Refused> {
    let good = select::plans(Some(root), &[root.join("suites/scenarios")])?;
    let expected = expected::read(root).map_err(|error| Refused::one(format!("{error:#}")))?;
    let folder = root.join("suites/negative");
    let mut negatives = Vec::new();
    let mut problems = Vec::new();
    for file in select::find(Some(root), std::slice::from_ref(&folder))? {
        let name = file.strip_prefix(&folder).unwrap_or(&file).with_extension("");
        let wanted = name.to_str().and_then(|name| expected.negative.get(name));
        match select::plan(Some(root), &file) {
            Ok(plan) if name.to_str() != Some(plan.name.as_str()) => {
                problems.push(format!(
                    "{}: its name is {}; a negative case is found by its file",
                    file.display(),
                    plan.name
                ));
            }
            Ok(plan) => negatives.push(Plan { name: format!("{NEGATIVE}{}", plan.name), ..plan }),
            Err(_) if wanted.is_some_and(|wanted| wanted.verdict == Kind::Refused) => {}
            Err(refused) => problems.extend(refused.problems),
        }
    }
    let chains = chains::read(root).unwrap_or_else(|refused| {
        problems.extend(refused.problems);
        Vec::new()
    });
    let chain_changes = chain_changes::read(root).unwrap_or_else(|refused| {
        problems.extend(refused.problems);
        Vec::new()
    });
    let suite = Suite { good, negatives, expected, chains, chain_changes };
    problems.extend(suite.of_no_requirement(&wanted::read(root, &[])?));
    if problems.is_empty() { Ok(suite) } else { Err(Refused { problems }) }
}

impl Suite {
    /// What names a requirement that nobody wants, each a line: it would show nothing, and nobody would miss it.
    fn of_no_requirement(&self, wanted: &Requirements) -> Vec<String> {
        let plans = self.good.iter().chain(&self.negatives).map(|plan| (plan.file.as_str(), &plan.covers));
        let lints = self.chains.iter().map(|case| (case.name.as_str(), &case.covers));
        let changes = self.chain_changes.iter().map(|case| (case.name.as_str(), &case.covers));
        let all = plans.chain(lints).chain(changes);
        let named =
            all.flat_map(|(whose, requirements)| requirements.iter().map(move |requirement| (whose, requirement)));
        let unknown = named.filter(|(_, requirement)| !wanted.contains_key(*requirement));
        unknown
            .map(|(whose, requirement)| {
                format!("{whose}: metadata.covers: `{requirement}` is no requirement of suites/requirements.yaml")
            })
            .collect()
    }

    /// The scenarios that can show a part of a requirement on a lane.
    #[must_use]
    pub fn showing<'a>(&'a self, requirement: &'a str, part: &Part, lane: &'a str) -> Vec<&'a Plan> {
        let all = if part.negative { &self.negatives } else { &self.good };
        let fits = |plan: &&Plan| part.requires.as_ref().is_none_or(|needs| plan.requires.contains(needs));
        of_requirement(all, requirement, lane).filter(fits).filter(|plan| part.is_its(plan)).collect()
    }

    /// The negative scenarios of a part of a requirement on a lane.
    #[must_use]
    pub fn negatives_of<'a>(&'a self, requirement: &'a str, part: &Part, lane: &'a str) -> Vec<&'a Plan> {
        of_requirement(&self.negatives, requirement, lane).filter(|plan| part.is_its(plan)).collect()
    }

    /// Everything that is to run on a lane for these requirements, each once for each cluster profile that they want.
    #[must_use]
    pub fn on_lane(&self, requirements: &Requirements, lane: &str) -> BTreeMap<Option<String>, Vec<Plan>> {
        let mut beds: BTreeMap<Option<String>, Vec<Plan>> = BTreeMap::new();
        for (requirement, parts) in requirements {
            for part in parts.iter().filter(|part| part.lanes.iter().any(|wanted| wanted == lane)) {
                let plans = beds.entry(part.profile_on(lane).map(str::to_owned)).or_default();
                for plan in
                    self.showing(requirement, part, lane).into_iter().chain(self.negatives_of(requirement, part, lane))
                {
                    if !plans.iter().any(|known| known.name == plan.name) {
                        plans.push(plan.clone());
                    }
                }
            }
        }
        beds.retain(|_, plans| !plans.is_empty());
        // Where a chain is put into force for a whole cluster, those that have the same one come one after the other.
        for plans in beds.values_mut() {
            plans.sort_by_cached_key(|plan| plan.topology.default_network.as_ref().map(|own| own.config.clone()));
        }
        beds
    }

    /// The changes of Terway's chain that are to be done for these requirements, if their lane is among `lanes`: each once, by
    /// the cluster profile that is wanted.
    #[must_use]
    pub fn changes(
        &self,
        requirements: &Requirements,
        lanes: &[String],
    ) -> BTreeMap<String, Vec<&chain_changes::Case>> {
        let mut beds: BTreeMap<String, Vec<&chain_changes::Case>> = BTreeMap::new();
        for (requirement, part) in
            requirements.iter().flat_map(|(requirement, parts)| parts.iter().map(move |part| (requirement, part)))
        {
            let Some(profile) = part.profile.as_ref().filter(|_| part.chain_changes) else { continue };
            if !part.lanes.iter().any(|lane| lanes.contains(lane)) {
                continue;
            }
            let cases = beds.entry(profile.clone()).or_default();
            for case in self.chain_changes.iter().filter(|case| case.covers.contains(requirement)) {
                if !cases.iter().any(|known| known.name == case.name) {
                    cases.push(case);
                }
            }
        }
        beds
    }
}

fn of_requirement<'a>(plans: &'a [Plan], requirement: &'a str, lane: &'a str) -> impl Iterator<Item = &'a Plan> {
    plans.iter().filter(move |plan| plan.covers.iter().any(|named| named == requirement) && meant_for(plan, lane))
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
    fn a_scenario_that_names_a_requirement_which_nobody_wants_is_told() {
        let plan = |requirements: &[&str]| Plan {
            file: "a.yaml".into(),
            covers: requirements.iter().map(|requirement| (*requirement).to_owned()).collect(),
            ..Plan::default()
        };
        let requirements = Requirements::from([("R01".to_owned(), vec![Part::default()])]);
        let told =
            |covers: &[&str]| Suite { good: vec![plan(covers)], ..Suite::default() }.of_no_requirement(&requirements);
        assert_eq!(told(&["R01"]), Vec::<String>::new());
        assert_eq!(
            told(&["R01", "R77"]),
            ["a.yaml: metadata.covers: `R77` is no requirement of suites/requirements.yaml"]
        );
    }
}
