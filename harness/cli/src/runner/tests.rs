//! The order of staging and tear-down, on a simulated lane.

use super::*;
use crate::exit;
use futures::future::BoxFuture;
use plumbline_core::observe::Observation;
use plumbline_core::verdict::Verdict;
use plumbline_lanes::context::Options;
use plumbline_lanes::host::Capabilities;
use plumbline_lanes::lane::{EntryCommand, HostReport, OpenLane, StagedScenario, Staging, TearDown, TestSettings};
use plumbline_testbed::journal::Effect;
use plumbline_testbed::wait::within;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Deadline of a scenario that waits for others, so that the test does not hang.
const HANG: Duration = Duration::from_secs(20);

/// The record of the simulated lane.
#[derive(Default)]
struct Seen {
    log: Mutex<Vec<String>>,
    standing: AtomicUsize,
    most_standing: AtomicUsize,
}

impl Seen {
    fn record(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }
}

struct Acted {
    seen: Arc<Seen>,
    /// How many were staged so far.
    staged: Arc<watch::Sender<usize>>,
    /// How many scenes must be staged before one goes.
    go_after: usize,
    /// Staging makes this folder, with an effect in the journal, and panics.
    panic_after: Option<PathBuf>,
    offers: Capabilities,
}

struct ActedScenario {
    name: String,
    seen: Arc<Seen>,
    staged: watch::Receiver<usize>,
    go_after: usize,
    staging: Staging,
}

impl Lane for Acted {
    fn name(&self) -> &'static str {
        "acted"
    }
    fn summary(&self) -> &'static str {
        "nothing real"
    }
    fn preparation(&self) -> &'static str {
        "does nothing"
    }
    fn test_settings(&self) -> TestSettings {
        TestSettings::default()
    }
    fn check_host<'a>(&'a self, _: &'a Context, _: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>> {
        Box::pin(async { Ok(HostReport::default()) })
    }
    fn open<'a>(&'a self, _: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>> {
        let (seen, staged) = (self.seen.clone(), self.staged.clone());
        let panic_after = self.panic_after.clone();
        let open = Self { seen, staged, go_after: self.go_after, panic_after, offers: Capabilities::default() };
        Box::pin(async { Ok(Box::new(open) as Box<dyn OpenLane>) })
    }
}

impl OpenLane for Acted {
    fn profile(&self) -> Option<String> {
        None
    }
    fn offers(&self) -> &Capabilities {
        &self.offers
    }
    fn stage<'a>(
        &'a self,
        cx: &'a Context,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<Box<dyn StagedScenario>, TestbedError>> {
        if let Some(path) = self.panic_after.clone() {
            return Box::pin(async move {
                cx.run.intend(Effect::Folder { path: path.clone() })?;
                std::fs::create_dir_all(&path).unwrap();
                assert!(!path.is_dir(), "a panic on purpose");
                Err(TestbedError::new("stage", "no panic"))
            });
        }
        let standing = self.seen.standing.fetch_add(1, Ordering::SeqCst) + 1;
        self.seen.most_standing.fetch_max(standing, Ordering::SeqCst);
        self.seen.record(format!("{} comes", plan.name));
        self.staged.send_modify(|staged| *staged += 1);
        let scene = ActedScenario {
            name: plan.name.clone(),
            seen: self.seen.clone(),
            staged: self.staged.subscribe(),
            go_after: self.go_after,
            staging: Staging::default(),
        };
        Box::pin(async { Ok(Box::new(scene) as Box<dyn StagedScenario>) })
    }
    fn close(self: Box<Self>) -> BoxFuture<'static, Vec<String>> {
        Box::pin(async { vec![] })
    }
}

impl StagedScenario for ActedScenario {
    fn staging(&self) -> &Staging {
        &self.staging
    }
    fn observe<'a>(&'a mut self, _: &'a Context) -> BoxFuture<'a, Result<Observation, TestbedError>> {
        Box::pin(async {
            // Others get their turn here, as they would while packets travel.
            tokio::task::yield_now().await;
            self.seen.standing.fetch_sub(1, Ordering::SeqCst);
            Err(TestbedError::new("observe", "only acted"))
        })
    }
    fn entry_commands(&self) -> Vec<EntryCommand> {
        vec![]
    }
    fn close(mut self: Box<Self>) -> BoxFuture<'static, TearDown> {
        Box::pin(async move {
            let others = self.staged.wait_for(|staged| *staged >= self.go_after);
            for _ in 0..100 {
                // Lets other scenarios start.
                tokio::task::yield_now().await;
            }
            let came = within(HANG, others).await.is_some();
            self.seen.record(format!("{} goes{}", self.name, if came { "" } else { ", alone" }));
            TearDown { left_behind: vec![format!("{}'s", self.name)], leaks: None, removals: Vec::new() }
        })
    }
}

fn plan(name: &str) -> Plan {
    Plan { name: name.to_owned(), file: format!("{name}.yaml"), ..Plan::default() }
}

/// Runs scenarios by these names; each goes only when `go_after` have come.
async fn ran(names: &[&str], jobs: usize, overlap: bool, go_after: usize) -> (Arc<Seen>, RunSummary) {
    run_with_panic(names, jobs, overlap, go_after, None).await
}

async fn run_with_panic(
    names: &[&str],
    jobs: usize,
    overlap: bool,
    go_after: usize,
    panic_after: Option<PathBuf>,
) -> (Arc<Seen>, RunSummary) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().unwrap();
    let config = RunConfig {
        root: root.clone(),
        scenarios: names.iter().map(|name| plan(name)).collect(),
        lanes: vec![],
        jobs,
        overlap,
        strict: false,
        options: Options::default(),
        events: Arc::new(|_| {}),
        evidence: None,
        cancel: CancellationToken::new(),
    };
    let cx = session::context(&root, Options::default(), config.events.clone(), config.cancel.clone(), "run").unwrap();
    let seen = Arc::new(Seen::default());
    let staged = Arc::new(watch::channel(0).0);
    let lane = Acted { seen: seen.clone(), staged, go_after, panic_after, offers: Capabilities::default() };
    let plans: Vec<&Plan> = config.scenarios.iter().collect();
    let mut summary = RunSummary::default();
    run_on_lane(&cx, &lane, &plans, &config, folder.path(), &mut summary).await;
    assert!(session::close(&cx).await.is_empty());
    (seen, summary)
}

#[tokio::test]
async fn the_next_comes_while_one_goes() {
    let (seen, summary) = ran(&["a", "b"], 1, true, 2).await;
    assert_eq!(*seen.log.lock().unwrap(), ["a comes", "b comes", "a goes", "b goes"]);
    assert_eq!(seen.most_standing.load(Ordering::SeqCst), 1, "-j 1 is one at a time until its verdict is there");
    assert_eq!(summary.left_behind, ["a's", "b's"], "each was taken down, and its rest is reported");
    assert!(summary.reports.iter().all(|report| matches!(report.verdict, Verdict::Error { .. })));
}

#[tokio::test]
async fn without_overlap_one_goes_before_the_next_comes() {
    let (seen, _) = ran(&["a", "b"], 1, false, 1).await;
    assert_eq!(*seen.log.lock().unwrap(), ["a comes", "a goes", "b comes", "b goes"]);
}

#[tokio::test]
async fn no_more_stand_than_there_are_jobs_and_no_more_go_than_may() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    // Three for one job: one that stands and two on their way out.
    let (seen, summary) = ran(&names, 1, true, 3).await;
    let log = seen.log.lock().unwrap().clone();
    let there = log.iter().scan(0, |there, line| {
        *there += if line.ends_with(" comes") { 1 } else { -1 };
        Some(*there)
    });
    assert_eq!(there.max(), Some(3), "{log:?}");
    assert_eq!(summary.reports.len(), names.len());
    let (seen, _) = ran(&names, 2, true, 1).await;
    assert_eq!(seen.most_standing.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_panic_is_a_fault_of_plumbline_and_its_effects_are_undone() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let (_, summary) = run_with_panic(&["a", "b"], 1, true, 1, Some(made.clone())).await;
    assert!(!made.exists(), "the end of the run undoes what the journal has open");
    assert_eq!(summary.exit_code(), exit::INTERNAL);
    assert_eq!(summary.reports.len(), 2, "the next scenario runs all the same");
    let Verdict::Error { stage, cause, hint } = &summary.reports[0].verdict else { panic!("{summary:?}") };
    assert_eq!(stage, fault::STAGE);
    assert_eq!(cause, "a.yaml: a panic on purpose");
    assert!(hint.as_ref().is_some_and(|hint| hint.contains("report this")), "{hint:?}");
}

#[test]
fn the_fix_of_a_skip_is_that_of_the_doctor() {
    let offer = |there| plumbline_lanes::host::Capability { there, seen: String::new() };
    let offers = Capabilities([("dummy".to_owned(), offer(false)), ("veth".to_owned(), offer(true))].into());
    let requires = |need: &str| Plan { requires: vec![need.to_owned()], ..plan("a") };
    let fix = scenario::fix_of("netns", &offers, &requires("dummy"));
    assert_eq!(fix.as_deref(), Some("load the kernel module, or run with --lane vm"));
    assert_eq!(scenario::fix_of("netns", &offers, &requires("veth")), None);
}
