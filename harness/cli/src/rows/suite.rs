//! Scenarios and their negative scenarios, by row and lane.

use super::chains::{self, Case};
use super::rollouts;
use super::wanted::{self, Part, Rows};
use crate::expected::{self, Expected, Kind};
use crate::runner::meant_for;
use crate::select::{self, Refused};
use plumbline_core::plan::Plan;
use std::collections::BTreeMap;
use std::path::Path;

/// Before the name of a twin, as in the titles of the tests.
pub const TWIN: &str = "negative/";

/// Everything that could prove a row.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    /// Scenarios that must pass.
    pub good: Vec<Plan>,
    /// Scenarios that must fail, each under [`TWIN`] and its name: a twin may be called as what it is bent from, and
    /// reports and evidence go by name.
    pub twins: Vec<Plan>,
    /// With which findings.
    pub expected: Expected,
    /// Cases of the lint of Terway's chain, twins among them.
    pub chains: Vec<Case>,
    /// Changes of Terway's chain, twins among them.
    pub rollouts: Vec<rollouts::Case>,
}

/// Reads `suites/scenarios`, `suites/chains`, `suites/chain-changes`, and the folder of twins beside each.
///
/// # Errors
/// [`Refused`] with every file that is not as it must be. Of twins those that are to be refused are left out: their
/// rows can't be read, and nothing of them runs on a lane.
pub fn read(root: &Path) -> Result<Suite, Refused> {
    let good = select::plans(Some(root), &[root.join("suites/scenarios")])?;
    let expected = expected::read(root).map_err(|error| Refused::one(format!("{error:#}")))?;
    let folder = root.join("suites/negative");
    let mut twins = Vec::new();
    let mut problems = Vec::new();
    for file in select::find(Some(root), std::slice::from_ref(&folder))? {
        let name = file.strip_prefix(&folder).unwrap_or(&file).with_extension("");
        let wanted = name.to_str().and_then(|name| expected.negative.get(name));
        match select::plan(Some(root), &file) {
            Ok(plan) if name.to_str() != Some(plan.name.as_str()) => {
                problems.push(format!("{}: its name is {}; a twin is found by its file", file.display(), plan.name));
            }
            Ok(plan) => twins.push(Plan { name: format!("{TWIN}{}", plan.name), ..plan }),
            Err(_) if wanted.is_some_and(|wanted| wanted.verdict == Kind::Refused) => {}
            Err(refused) => problems.extend(refused.problems),
        }
    }
    let chains = chains::read(root).unwrap_or_else(|refused| {
        problems.extend(refused.problems);
        Vec::new()
    });
    let rollouts = rollouts::read(root).unwrap_or_else(|refused| {
        problems.extend(refused.problems);
        Vec::new()
    });
    let suite = Suite { good, twins, expected, chains, rollouts };
    problems.extend(suite.in_no_row(&wanted::read(root, &[])?));
    if problems.is_empty() { Ok(suite) } else { Err(Refused { problems }) }
}

impl Suite {
    /// What names a row that nobody wants, each a line: it would show nothing, and nobody would miss it.
    fn in_no_row(&self, wanted: &Rows) -> Vec<String> {
        let plans = self.good.iter().chain(&self.twins).map(|plan| (plan.file.as_str(), &plan.rows));
        let lints = self.chains.iter().map(|case| (case.name.as_str(), &case.rows));
        let changes = self.rollouts.iter().map(|case| (case.name.as_str(), &case.rows));
        let all = plans.chain(lints).chain(changes);
        let named = all.flat_map(|(whose, rows)| rows.iter().map(move |row| (whose, row)));
        let unknown = named.filter(|(_, row)| !wanted.contains_key(*row));
        unknown.map(|(whose, row)| format!("{whose}: metadata.rows: `{row}` is no row of suites/rows.yaml")).collect()
    }

    /// The scenarios that can show a part of a row on a lane.
    #[must_use]
    pub fn showing<'a>(&'a self, row: &'a str, part: &Part, lane: &'a str) -> Vec<&'a Plan> {
        let all = if part.twins { &self.twins } else { &self.good };
        let fits = |plan: &&Plan| part.requires.as_ref().is_none_or(|needs| plan.requires.contains(needs));
        of_row(all, row, lane).filter(fits).filter(|plan| part.is_its(plan)).collect()
    }

    /// The negative scenarios of a part of a row on a lane.
    #[must_use]
    pub fn twins<'a>(&'a self, row: &'a str, part: &Part, lane: &'a str) -> Vec<&'a Plan> {
        of_row(&self.twins, row, lane).filter(|plan| part.is_its(plan)).collect()
    }

    /// Everything that is to run on a lane for these rows, each once for each cluster profile that they want.
    #[must_use]
    pub fn on_lane(&self, rows: &Rows, lane: &str) -> BTreeMap<Option<String>, Vec<Plan>> {
        let mut beds: BTreeMap<Option<String>, Vec<Plan>> = BTreeMap::new();
        for (row, parts) in rows {
            for part in parts.iter().filter(|part| part.lanes.iter().any(|wanted| wanted == lane)) {
                let plans = beds.entry(part.profile_on(lane).map(str::to_owned)).or_default();
                for plan in self.showing(row, part, lane).into_iter().chain(self.twins(row, part, lane)) {
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

    /// The changes of Terway's chain that are to be done for these rows, if their lane is among `lanes`: each once, by
    /// the cluster profile that is wanted.
    #[must_use]
    pub fn changes(&self, rows: &Rows, lanes: &[String]) -> BTreeMap<String, Vec<&rollouts::Case>> {
        let mut beds: BTreeMap<String, Vec<&rollouts::Case>> = BTreeMap::new();
        for (row, part) in rows.iter().flat_map(|(row, parts)| parts.iter().map(move |part| (row, part))) {
            let Some(profile) = part.profile.as_ref().filter(|_| part.rollouts) else { continue };
            if !part.lanes.iter().any(|lane| lanes.contains(lane)) {
                continue;
            }
            let cases = beds.entry(profile.clone()).or_default();
            for case in self.rollouts.iter().filter(|case| case.rows.contains(row)) {
                if !cases.iter().any(|known| known.name == case.name) {
                    cases.push(case);
                }
            }
        }
        beds
    }
}

fn of_row<'a>(plans: &'a [Plan], row: &'a str, lane: &'a str) -> impl Iterator<Item = &'a Plan> {
    plans.iter().filter(move |plan| plan.rows.iter().any(|named| named == row) && meant_for(plan, lane))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;
    use std::collections::BTreeSet;

    #[test]
    fn the_suite_is_read_and_a_twin_may_be_called_as_what_it_is_bent_from() {
        let suite = read(&root::find().unwrap()).unwrap_or_else(|refused| panic!("{}", refused.problems.join("\n")));
        let all: Vec<&str> = suite.good.iter().chain(&suite.twins).map(|plan| plan.name.as_str()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "reports and evidence go by name");
        let bare = |twin: &Plan| twin.name.strip_prefix(TWIN).unwrap().to_owned();
        assert!(suite.twins.iter().any(|twin| suite.good.iter().any(|plan| plan.name == bare(twin))));
        assert!(suite.twins.iter().all(|twin| suite.expected.negative.contains_key(&bare(twin))));
    }

    #[test]
    fn a_scenario_that_names_a_row_which_nobody_wants_is_told() {
        let plan = |rows: &[&str]| Plan {
            file: "a.yaml".into(),
            rows: rows.iter().map(|row| (*row).to_owned()).collect(),
            ..Plan::default()
        };
        let rows = Rows::from([("R01".to_owned(), vec![Part::default()])]);
        let told = |rows_of: &[&str]| Suite { good: vec![plan(rows_of)], ..Suite::default() }.in_no_row(&rows);
        assert_eq!(told(&["R01"]), Vec::<String>::new());
        assert_eq!(told(&["R01", "R77"]), ["a.yaml: metadata.rows: `R77` is no row of suites/rows.yaml"]);
    }
}
