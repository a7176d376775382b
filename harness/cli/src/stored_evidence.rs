//! Evidence that earlier runs kept of a scenario.

use crate::select::Refused;
use plumbline_core::observe::Observation;
use plumbline_core::plan::Plan;
use plumbline_core::source::Source;
use plumbline_core::verdict::ScenarioReport;
use plumbline_testbed::folders;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file with the observation.
const OBSERVATION: &str = "observation.json";

/// The evidence of one scenario on one lane, from one run.
#[derive(Debug, Clone)]
pub struct StoredEvidence {
    /// Its folder.
    pub folder: PathBuf,
    /// The plan that was run.
    pub plan: Plan,
    /// The observation; none if the run ended before it.
    pub observation: Option<Observation>,
    /// The report; none if the run ended before it.
    pub report: Option<ScenarioReport>,
}

impl StoredEvidence {
    /// Whether the run had the same content as a plan. Places in files do not count: the folder may be another one.
    pub fn is_of(&self, plan: &Plan) -> bool {
        let content = |plan: &Plan| {
            let plan = Plan { file: String::new(), ..plan.clone() };
            serde_json::to_value(plan).map(without_places).ok()
        };
        content(&self.plan) == content(plan)
    }
}

/// A value without every [`Source`] in it.
fn without_places(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 3 && Source::deserialize(&Value::Object(map.clone())).is_ok() => Value::Null,
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, without_places(value))).collect(),
        Value::Array(items) => items.into_iter().map(without_places).collect(),
        other => other,
    }
}

/// Finds the evidence of a scenario in its own evidence folder, or in that of a whole run. `lane` selects one of several
/// lanes; without it the newest evidence is used.
///
/// # Errors
/// [`Refused`] when there is no evidence, or it can't be read.
pub fn below(folder: &Path, scenario: &str, lane: Option<&str>) -> Result<StoredEvidence, Refused> {
    if folder.join("plan.json").is_file() {
        return read(folder);
    }
    let found = newest(candidates(folder, scenario, lane));
    let found = found
        .ok_or_else(|| Refused::one(format!("{}: no evidence of {scenario}{} in it", folder.display(), on(lane))))?;
    read(&found)
}

/// Finds a scenario's newest evidence in the state folder.
///
/// # Errors
/// [`Refused`] when there is no evidence, or it can't be read.
pub fn last(scenario: &Plan, lane: Option<&str>) -> Result<StoredEvidence, Refused> {
    let runs = folders::state().map_err(|fault| Refused::one(fault.to_string()))?.join("runs");
    let all = entries(&runs).into_iter().flat_map(|run| candidates(&run.join("evidence"), &scenario.name, lane));
    // A copied scenario may have the same name as its original, so the file decides.
    let own = |folder: &PathBuf| {
        let plan = value::<Plan>(&folder.join("plan.json"));
        plan.is_ok_and(|plan| plan.is_some_and(|plan| is_same(&plan.file, &scenario.file)))
    };
    let found = newest(all.filter(own).collect());
    let found = found.ok_or_else(|| {
        let (file, lane) = (&scenario.file, lane.map(|lane| format!(" --lane {lane}")).unwrap_or_default());
        let run = format!("run it first: plumbline run {file}{lane}");
        Refused::one(format!("no run has kept evidence of {}, {file}; {run}", scenario.name))
    })?;
    read(&found)
}

/// Whether two names are of the same file. One may be relative to another folder of the checkout.
fn is_same(one: &str, other: &str) -> bool {
    Path::new(one).ends_with(other) || Path::new(other).ends_with(one)
}

fn on(lane: Option<&str>) -> String {
    lane.map(|lane| format!(" on {lane}")).unwrap_or_default()
}

/// Folders `<folder>/<lane>/<scenario>` that hold a plan.
fn candidates(folder: &Path, scenario: &str, lane: Option<&str>) -> Vec<PathBuf> {
    let lanes = match lane {
        Some(lane) => vec![folder.join(lane)],
        None => entries(folder),
    };
    let of = |lane: PathBuf| scenario.split('/').fold(lane, |path, part| path.join(part));
    lanes.into_iter().map(of).filter(|path| path.join("plan.json").is_file()).collect()
}

/// The paths in a folder; none if it is not a folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// The newest folder with an observation; if none has one, the newest of all.
fn newest(folders: Vec<PathBuf>) -> Option<PathBuf> {
    let written = |folder: &PathBuf| -> SystemTime {
        let file = ["report.json", "plan.json"].iter().find_map(|name| std::fs::metadata(folder.join(name)).ok());
        file.and_then(|meta| meta.modified().ok()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let looked = |folder: &PathBuf| folder.join(OBSERVATION).is_file();
    folders.into_iter().max_by_key(|folder| (looked(folder), written(folder)))
}

fn read(folder: &Path) -> Result<StoredEvidence, Refused> {
    let plan = value(&folder.join("plan.json"))?;
    Ok(StoredEvidence {
        plan: plan.ok_or_else(|| Refused::one(format!("{}: no plan.json in it", folder.display())))?,
        observation: value(&folder.join(OBSERVATION))?,
        report: value(&folder.join("report.json"))?,
        folder: folder.to_owned(),
    })
}

fn value<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, Refused> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Refused::one(format!("{}: {error}", file.display()))),
    };
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| {
        Refused::one(format!("{}: {error} (was it kept by another version of plumbline?)", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::plan::{Host, Topology};

    fn keep(folder: &Path, lane: &str, summary: &str) {
        assert!(is_same("/x/suites/a.yaml", "suites/a.yaml") && !is_same("/tmp/a.yaml", "suites/a.yaml"));
        let folder = folder.join(lane).join("a").join("case");
        std::fs::create_dir_all(&folder).unwrap();
        let plan = serde_json::json!({
            "name": "a/case", "summary": summary, "file": "", "covers": [], "requires": [], "lanes": [],
            "topology": {}, "networks": [], "pods": [], "expect": [],
        });
        std::fs::write(folder.join("plan.json"), plan.to_string()).unwrap();
    }

    #[test]
    fn a_changed_scenario_is_seen_and_another_folder_is_no_change() {
        let with_host = |file: &str, name: &str| {
            let source = Source { file: file.to_owned(), line: 1, column: 1 };
            let (ports, behind, routes) = (vec![], vec![], vec![]);
            let host = Host { name: name.into(), gateway: true, ports, behind, routes, source };
            let topology = Topology { hosts: vec![host], ..Topology::default() };
            Plan { file: file.into(), topology, ..Plan::default() }
        };
        let plan = with_host("a.yaml", "gw");
        let kept = StoredEvidence { folder: PathBuf::new(), plan, observation: None, report: None };
        assert!(kept.is_of(&with_host("/x/a.yaml", "gw")));
        assert!(!kept.is_of(&with_host("a.yaml", "gx")));
    }

    #[test]
    fn an_absent_run_is_named_with_the_command_that_makes_it() {
        let plan = Plan { name: "no/such-scenario".into(), file: "no/such-scenario.yaml".into(), ..Plan::default() };
        let refused = last(&plan, Some("vm")).unwrap_err().to_string();
        assert!(refused.ends_with("; run it first: plumbline run no/such-scenario.yaml --lane vm"), "{refused}");
    }

    #[test]
    fn evidence_is_found_by_run_by_lane_and_by_its_own_folder() {
        let dir = std::env::temp_dir().join(format!("plumbline-kept-{}", std::process::id()));
        keep(&dir, "netns", "of netns");
        keep(&dir, "kind", "of kind");
        let summary = |found: Result<StoredEvidence, Refused>| found.map(|kept| kept.plan.summary).unwrap_or_default();
        let by_lane = summary(below(&dir, "a/case", Some("netns")));
        let own = summary(below(&dir.join("kind/a/case"), "whatever", None));
        let other = below(&dir, "a/other", None).map(|kept| kept.folder);
        let looked = dir.join("netns/a/case");
        std::fs::write(looked.join(OBSERVATION), "null").unwrap();
        keep(&dir, "kind", "of kind, and cut short");
        assert_eq!(newest(vec![looked.clone(), dir.join("kind/a/case")]), Some(looked), "the newer one saw nothing");
        std::fs::write(dir.join("kind/a/case/observation.json"), "{").unwrap();
        let cut = below(&dir, "a/case", Some("kind")).map(|kept| kept.folder);
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!((by_lane.as_str(), own.as_str()), ("of netns", "of kind"));
        assert!(other.unwrap_err().to_string().contains("no evidence of a/other"));
        assert!(cut.unwrap_err().to_string().contains("observation.json"));
    }
}
