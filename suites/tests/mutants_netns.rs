//! The saboteur in the places of plugins: each of its mutants must fail a scenario that expects nothing, and the control must
//! pass. What is missed is listed with its reason in `mutants/missed.yaml`. One cause gives one finding; where a mutant gives
//! more, `mutants/several.yaml` says how many and why.
//!
//! Each test leaves a table in `target/evidence/mutants`.

use anyhow::Context as _;
use plumbline::{root, select, session};
use plumbline_core::judge;
use plumbline_core::observe::Observation;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Verdict;
use plumbline_lanes::context::{Context, Options};
use plumbline_lanes::lane::{Lane as _, OpenLane};
use plumbline_lanes::netns::{NetnsLane, binaries};
use plumbline_saboteur::settings::{self, CONTROL, NOT_APPLIED, SKIPPED, Settings};
use plumbline_saboteur::table::{self, MUTANTS, Mutant};
use plumbline_suites::trials::EVIDENCE;
use rstest::rstest;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const FOLDER: &str = "suites/tests/mutants";

/// A scenario, and the plugins in whose places saboteurs are.
struct Group {
    name: &'static str,
    plugins: &'static [&'static str],
    /// The interface whose calls are bent: the lane's default network may use the same plugins.
    interface: &'static str,
    /// The mutants that need this scenario; none means all of its plugins, except those that need another one.
    only: &'static [&'static str],
}

const MACVLAN: Group = Group { name: "macvlan", plugins: &["macvlan", "route-override"], interface: "eth1", only: &[] };
const BRIDGE: Group = Group { name: "bridge", plugins: &["bridge", "tuning"], interface: "eth1", only: &[] };
const LEASES: Group = Group { name: "leases", plugins: &["host-local"], interface: "eth1", only: &[] };
const PTP: Group = Group { name: "ptp", plugins: &["ptp", "portmap"], interface: "eth0", only: &[] };
const HOST_IP: Group = Group { name: "host-ip", plugins: &["portmap"], interface: "eth0", only: &["M48"] };
const GROUPS: [Group; 5] = [MACVLAN, BRIDGE, LEASES, PTP, HOST_IP];

impl Group {
    fn mutants(&self) -> impl Iterator<Item = &'static Mutant> {
        MUTANTS.iter().filter(|mutant| self.has(mutant))
    }

    fn has(&self, mutant: &Mutant) -> bool {
        let needs_other = GROUPS.iter().any(|group| group.only.contains(&mutant.id));
        let is_meant = self.only.contains(&mutant.id) || self.only.is_empty() && !needs_other;
        is_meant && self.plugins.contains(&mutant.plugins[0])
    }
}

/// What became of one mutant.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The findings that fail the scenario.
    Caught(Vec<String>),
    Missed,
    /// This host lacks what the mutant needs.
    Skipped(String),
}

/// How many findings a mutant gives, and why more than one.
#[derive(serde::Deserialize)]
struct Several {
    findings: usize,
    reason: String,
}

/// A list of mutants by id.
fn read_list<T: serde::de::DeserializeOwned>(name: &str) -> anyhow::Result<BTreeMap<String, T>> {
    let file = root::find()?.join(FOLDER).join(name);
    let text = std::fs::read_to_string(&file)?;
    let list: Option<BTreeMap<String, T>> = serde_yaml::from_str(&text).with_context(|| file.display().to_string())?;
    Ok(list.unwrap_or_default())
}

fn read_missed() -> anyhow::Result<BTreeMap<String, String>> {
    read_list("missed.yaml")
}

fn read_several() -> anyhow::Result<BTreeMap<String, Several>> {
    read_list("several.yaml")
}

/// Saboteurs in a folder of plugins, and the lane that searches it first.
struct Saboteurs {
    group: Group,
    folder: tempfile::TempDir,
    cx: Context,
    lane: Box<dyn OpenLane>,
    plan: Plan,
}

impl Saboteurs {
    async fn prepare(group: Group) -> anyhow::Result<Self> {
        let root = root::find()?;
        std::env::set_current_dir(&root)?;
        let folder = tempfile::tempdir()?;
        let options = Options { cni_path: vec![folder.path().to_owned()], ..Options::default() };
        let cx = session::context(&root, options, Arc::new(|_| {}), CancellationToken::new(), "test")?;
        let saboteur = cx.images.tool("saboteur").await?;
        // The last folder of the search has the real plugins.
        let node = binaries::find(&cx).await?.node;
        let real = PathBuf::from(node.last().context("a folder of plugins")?);
        for plugin in group.plugins {
            std::fs::copy(&saboteur, folder.path().join(plugin))?;
            std::fs::copy(real.join(plugin), folder.path().join(format!(".real-{plugin}")))?;
        }
        let plan = select::plan(Some(&root), &Path::new(FOLDER).join(group.name).with_extension("yaml"))?;
        let saboteurs = Self { group, folder, lane: NetnsLane.open(&cx).await?, cx, plan };
        Ok(saboteurs)
    }

    /// Writes the settings of all saboteurs: one mutant in one plugin's place, the others are controls.
    fn set(&self, mutant: Option<&Mutant>) -> anyhow::Result<()> {
        for plugin in self.group.plugins {
            let here = mutant.filter(|mutant| mutant.plugins[0] == *plugin);
            let settings = Settings {
                plugin: format!(".real-{plugin}").into(),
                mutant: here.map_or(CONTROL, |mutant| mutant.id).to_owned(),
                commands: Vec::new(),
                interface: Some(self.group.interface.to_owned()),
            };
            let file = self.folder.path().join(settings::file_name(plugin));
            std::fs::write(file, serde_json::to_vec(&settings)?)?;
        }
        Ok(())
    }

    /// Runs the scenario as the command does: the verdict is given after the pods are removed.
    async fn run(&self, mutant: Option<&Mutant>) -> anyhow::Result<Verdict> {
        self.set(mutant)?;
        let mut scene = self.lane.stage(&self.cx, &self.plan).await?;
        let observed = scene.observe(&self.cx).await;
        let closed = scene.close().await;
        let mut observation = Observation { leaks: closed.leaks, ..observed? };
        for (name, removals) in closed.removals {
            let pod = observation.pods.iter_mut().find(|pod| pod.pod == name);
            pod.context("a removed pod was not observed")?.removals = removals;
        }
        Ok(judge::verdict(&self.plan, &observation, false))
    }

    async fn try_mutant(&self, mutant: &Mutant) -> anyhow::Result<Outcome> {
        let verdict = self.run(Some(mutant)).await?;
        let Verdict::Fail { findings, .. } = verdict else {
            anyhow::ensure!(matches!(verdict, Verdict::Pass { .. }), "{}: {verdict:?}", mutant.id);
            return Ok(Outcome::Missed);
        };
        let words = format!("{findings:?}");
        anyhow::ensure!(!words.contains(NOT_APPLIED), "{} was not applied: {words}", mutant.id);
        if let Some((_, why)) = words.split_once(SKIPPED) {
            return Ok(Outcome::Skipped(why.chars().take(80).collect()));
        }
        let failures = findings.iter().filter(|finding| finding.is_failure());
        Ok(Outcome::Caught(failures.map(|finding| format!("{} {}", finding.code, finding.message)).collect()))
    }
}

#[rstest]
#[case::macvlan(MACVLAN)]
#[case::bridge(BRIDGE)]
#[case::leases(LEASES)]
#[case::ptp(PTP)]
#[case::host_ip(HOST_IP)]
#[tokio::test]
async fn each_mutant_is_caught_and_the_control_passes(#[case] group: Group) -> anyhow::Result<()> {
    let (missed, several) = (read_missed()?, read_several()?);
    let saboteurs = Saboteurs::prepare(group).await?;
    let control = saboteurs.run(None).await?;
    anyhow::ensure!(matches!(control, Verdict::Pass { .. }), "the control must pass: {control:?}");
    let (mut listing, mut problems) = (String::new(), Vec::new());
    for mutant in saboteurs.group.mutants() {
        let title = format!("{} {}, {}: {}", mutant.id, mutant.plugins[0], mutant.family.as_str(), mutant.description);
        let (word, detail) = match saboteurs.try_mutant(mutant).await {
            Ok(Outcome::Caught(findings)) => {
                let expected = several.get(mutant.id).map_or(1, |several| several.findings);
                if findings.len() != expected {
                    let (found, listed) = (findings.len(), findings.join("; "));
                    problems.push(format!("{title}: expected {expected} findings, found {found}: {listed}"));
                }
                ("caught", findings.join("; "))
            }
            Ok(Outcome::Missed) => ("missed", missed.get(mutant.id).cloned().unwrap_or_default()),
            Ok(Outcome::Skipped(why)) => ("skipped", why),
            Err(error) => ("error", format!("{error:#}")),
        };
        writeln!(listing, "{word:<8}{title}\n        {detail}")?;
        match (word, missed.contains_key(mutant.id)) {
            ("caught", true) => problems.push(format!("{title}: caught; remove it from missed.yaml")),
            ("missed", false) => problems.push(format!("{title}: missed")),
            ("error", _) => problems.push(format!("{title}: {detail}")),
            _ => {}
        }
    }
    let folder = root::find()?.join(EVIDENCE).join("mutants");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(saboteurs.group.name).with_extension("txt"), listing)?;
    let Saboteurs { lane, cx, .. } = saboteurs;
    let mut left = lane.close().await;
    left.extend(session::close(&cx).await);
    anyhow::ensure!(left.is_empty(), "left behind: {left:?}");
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// A mutant that no test runs, or a name in the list that is no mutant, would go unnoticed.
#[test]
fn each_mutant_belongs_to_a_scenario() -> anyhow::Result<()> {
    for mutant in MUTANTS {
        let groups = GROUPS.iter().filter(|group| group.has(mutant)).count();
        anyhow::ensure!(groups == 1, "{} belongs to {groups} scenarios", mutant.id);
    }
    for (id, reason) in read_missed()? {
        anyhow::ensure!(table::find(&id).is_some(), "missed.yaml: there is no mutant {id}");
        anyhow::ensure!(!reason.trim().is_empty(), "missed.yaml: {id} has no reason");
    }
    for (id, Several { findings, reason }) in read_several()? {
        anyhow::ensure!(table::find(&id).is_some(), "several.yaml: there is no mutant {id}");
        anyhow::ensure!(
            findings > 1 && !reason.trim().is_empty(),
            "several.yaml: {id}: several findings with a reason"
        );
    }
    Ok(())
}
