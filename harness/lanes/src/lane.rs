//! The interface of a lane: it opens once per run, stages scenarios, and closes.

use crate::context::Context;
use crate::host::{Capabilities, HostCheck};
use futures::future::BoxFuture;
use plumbline_core::cni::ChainOutcome;
use plumbline_core::observe::{Leak, Observation};
use plumbline_core::plan::{Plan, PluginNeed};
use plumbline_core::verdict::Adaptation;
use plumbline_testbed::error::TestbedError;
use std::path::Path;

/// A kind of lane: its requirements on the host, its installation, its probes, and how its tests run.
pub trait Lane: Send + Sync {
    /// Its name: `netns`, `vm`, `kind`.
    fn name(&self) -> &'static str;
    /// One line for `--help` and `list`.
    fn summary(&self) -> &'static str;
    /// What opening it does, for `up --help`.
    fn preparation(&self) -> &'static str;
    /// How its tests run under cargo-nextest.
    fn test_settings(&self) -> TestSettings;
    /// The cluster profiles that it may choose if the user names none. Empty for a lane without clusters.
    fn default_profiles(&self) -> &'static [&'static str] {
        &[]
    }
    /// The profiles that are used only if named, each with tests of its own.
    fn named_profiles(&self, _root: &Path) -> Vec<String> {
        Vec::new()
    }
    /// How to get a capability that this host's kernel lacks. Empty if there is no way.
    fn capability_hint(&self) -> &'static str {
        ""
    }
    /// Checks what it needs of this host. Changes nothing. `build`: the lane may be opened although parts of it must be
    /// built first.
    fn check_host<'a>(&'a self, cx: &'a Context, build: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>>;
    /// The software that the lane would install on this host. None if nothing is missing.
    fn installation<'a>(&'a self, _root: &'a Path) -> BoxFuture<'a, Result<Option<Installation>, TestbedError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Makes it ready for scenarios: builds missing parts, brings a cluster up or checks a running one.
    /// Called once per run, before any scenario.
    fn open<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>>;
    /// Takes down the machines or clusters that stay up between runs. Gives their names.
    fn take_down<'a>(&'a self, _cx: &'a Context) -> BoxFuture<'a, Result<Vec<String>, TestbedError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// The state of this host for a lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostReport {
    /// The checks.
    pub checks: Vec<HostCheck>,
    /// Whether the lane can be opened as a check.
    pub can_open: bool,
}

/// Software that a lane would install, after the user has agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// What is missing.
    pub missing: String,
    /// The steps, each a line.
    pub steps: Vec<String>,
}

/// How the tests of a lane run under cargo-nextest. A test binary belongs to the lane that its name ends with (`kind`,
/// `library_kind`), and to the cluster profile that its name begins with (`three_nodes_kind`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct TestSettings {
    /// Whether a bare `cargo nextest run` runs them: they need nothing but this host.
    pub by_default: bool,
    /// Tests that run side by side.
    pub max_threads: u8,
    /// Tests of all lanes that run side by side in the lane's own nextest profile; none: one per processor.
    pub test_threads: Option<u8>,
    /// The group with the higher number begins first.
    pub priority: u8,
    /// After how many seconds nextest reports a test as slow. It ends the test after ten times as many.
    pub slow_seconds: u16,
    /// How many seconds a test has to clean up when nextest ends it. None: nextest's own limit.
    pub grace_seconds: Option<u16>,
    /// How many seconds making the lane ready may take.
    pub setup_seconds: u16,
}

/// A lane that is ready.
pub trait OpenLane: Send + Sync {
    /// The cluster profile in use, on lanes that have one.
    fn profile(&self) -> Option<String>;
    /// Its probed capabilities.
    fn offers(&self) -> &Capabilities;
    /// Why a plan can't be staged here and is skipped. None if it can.
    fn lack(&self, plan: &Plan) -> Option<String> {
        self.offers().lack(&plan.requires)
    }
    /// Stages a plan: nodes, networks, pods. A pod that is not Ready because of its networks is no error here: the
    /// observation has its state.
    fn stage<'a>(
        &'a self,
        cx: &'a Context,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<Box<dyn StagedScenario>, TestbedError>>;
    /// Closes it: waits for deletions in the background. Gives a line for each failed cleanup.
    fn close(self: Box<Self>) -> BoxFuture<'static, Vec<String>>;
}

/// Why a plan of users' files is skipped: a plugin of its chains that the lane does not have. None if all are there.
pub fn find_missing_plugin(plan: &Plan, has: impl Fn(&str) -> bool) -> Option<String> {
    let PluginNeed { plugin, network } = plan.plugins.iter().find(|need| !has(&need.plugin))?;
    Some(format!("network {network}: this lane has no plugin {plugin}; fix: run with --plugin {plugin}=PATH"))
}

/// The changes that a lane made to stage a plan, for the report.
#[derive(Debug, Clone, Default)]
pub struct Staging {
    /// Adaptations made.
    pub adaptations: Vec<Adaptation>,
    /// How the scenario is isolated from others.
    pub isolation: Option<String>,
    /// The stand-ins, each a line.
    pub stand_ins: Vec<String>,
    /// From create until every pod was Ready, in microseconds; 0 on lanes without a cluster.
    pub ready_us: u64,
}

/// A command to paste that opens a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryCommand {
    /// Where the shell is: `the node`, or `pod NAME`.
    pub target: String,
    /// The command line.
    pub command: String,
}

/// A staged scenario.
pub trait StagedScenario: Send {
    /// The changes made to stage it.
    fn staging(&self) -> &Staging;
    /// Reads everything that is judged. Each call is a fresh observation.
    fn observe<'a>(&'a mut self, cx: &'a Context) -> BoxFuture<'a, Result<Observation, TestbedError>>;
    /// Commands to paste that enter its nodes and pods.
    fn entry_commands(&self) -> Vec<EntryCommand>;
    /// Removes it, and reads the leaks of its pods.
    fn close(self: Box<Self>) -> BoxFuture<'static, TearDown>;
}

/// The result of removing a scenario.
#[must_use = "leaks must be reported"]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TearDown {
    /// A line for each failed cleanup.
    pub left_behind: Vec<String>,
    /// Leaks of removed pods, for the judge, because plugins cause them. None if nothing was read.
    pub leaks: Option<Vec<Leak>>,
    /// Outcomes of the DELs of each pod, by its name, where the lane ran them itself.
    pub removals: Vec<(String, Vec<(String, ChainOutcome)>)>,
}

impl TearDown {
    /// A line for each thing that is still there, for callers that don't judge leaks.
    pub fn lines(self) -> Vec<String> {
        let line = |left: Leak| match left.pod {
            Some(pod) => format!("pod {pod} is removed, but {} is still in {}", left.what, left.place),
            None => format!("every pod is removed, but {} is still in {}", left.what, left.place),
        };
        let mut lines = self.left_behind;
        lines.extend(self.leaks.into_iter().flatten().map(line));
        lines
    }
}
