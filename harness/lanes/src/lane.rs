//! What a lane is: something that opens once per run, stages scenarios, and closes.

use crate::context::Context;
use crate::host::HostCheck;
use futures::future::BoxFuture;
use plumbline_core::observe::{Leak, Observation};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::path::Path;

/// What a lane or host offers: capability name to why it is, or is not, there.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Offers(pub BTreeMap<String, Offer>);

/// One capability as probed by trying.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Offer {
    /// Whether it is there.
    pub there: bool,
    /// What the probe saw, in words.
    pub seen: String,
}

impl Offers {
    /// The first thing needed that is not offered, in words fit for a Skip; none when all is there.
    #[must_use]
    pub fn lack(&self, needs: &[String]) -> Option<String> {
        needs.iter().find_map(|need| match self.0.get(need) {
            Some(offer) if offer.there => None,
            Some(offer) => Some(format!("needs {need}: {}", offer.seen)),
            None => Some(format!("needs {need}, which this lane does not know of")),
        })
    }
}

/// A kind of lane. It says itself what it needs, what it installs, what it probes, and how its tests run.
pub trait Lane: Send + Sync {
    /// Its name: `netns`, `vm`, `kind`.
    fn name(&self) -> &'static str;
    /// One line for `--help` and `list`.
    fn summary(&self) -> &'static str;
    /// What making it ready does, for `up --help`.
    fn preparation(&self) -> &'static str;
    /// How its tests run under cargo-nextest.
    fn test_settings(&self) -> TestSettings;
    /// The cluster profiles that it may choose where none is named; empty for a lane without clusters.
    fn default_profiles(&self) -> &'static [&'static str] {
        &[]
    }
    /// The profiles that are only used when they are named, each with tests of its own.
    fn named_profiles(&self, _root: &Path) -> Vec<String> {
        Vec::new()
    }
    /// How to get a capability that this host's kernel lacks; empty where there is no way.
    fn capability_hint(&self) -> &'static str {
        ""
    }
    /// Checks what it needs of this host. Changes nothing. `build`: the lane may be opened although parts of it must be
    /// built first.
    fn check_host<'a>(&'a self, cx: &'a Context, build: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>>;
    /// What would be installed on this host for the lane to open; none when nothing is missing.
    fn installation<'a>(&'a self, _root: &'a Path) -> BoxFuture<'a, Result<Option<Installation>, TestbedError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Makes it ready for scenarios: builds what is missing, brings a cluster up or checks a warm one.
    /// Called once per run, before any scenario.
    fn open<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>>;
    /// Takes down what stays up between runs. Gives the name of each thing that was taken down.
    fn take_down<'a>(&'a self, _cx: &'a Context) -> BoxFuture<'a, Result<Vec<String>, TestbedError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// What a lane needs of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostReport {
    /// The checks.
    pub checks: Vec<HostCheck>,
    /// Whether the lane can be opened to see that it works.
    pub can_open: bool,
}

/// Software that a lane would install, each step after the user has agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// What is missing.
    pub missing: String,
    /// What would be done, each a line.
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
    /// Which group begins first: the higher one.
    pub priority: u8,
    /// After how many seconds a test is called slow. It is ended after ten times as many.
    pub slow_seconds: u16,
    /// How many seconds a test has to clean up when it is ended; none: nextest's own limit.
    pub grace_seconds: Option<u16>,
    /// How many seconds making the lane ready may take.
    pub setup_seconds: u16,
}

/// A lane that is ready.
pub trait OpenLane: Send + Sync {
    /// The cluster profile in use, on lanes that have one.
    fn profile(&self) -> Option<String>;
    /// What it offers, as probed.
    fn offers(&self) -> &Offers;
    /// Why a plan can't be staged here at all, in words fit for a Skip; none when it can.
    fn lack(&self, plan: &Plan) -> Option<String> {
        self.offers().lack(&plan.requires)
    }
    /// Stages a plan: nodes, networks, pods. A pod that does not come up because of its networks is
    /// no error here: the observation says so. `TestbedError` is the bed's own fault.
    fn stage<'a>(&'a self, cx: &'a Context, plan: &'a Plan) -> BoxFuture<'a, Result<Box<dyn Scene>, TestbedError>>;
    /// Ends it: awaits what was deleted in the background.
    /// Gives what could not be cleaned up, each a line.
    fn close(self: Box<Self>) -> BoxFuture<'static, Vec<String>>;
}

/// What a lane did to stage a plan, for the report.
#[derive(Debug, Clone, Default)]
pub struct Staging {
    /// Adaptations made.
    pub adaptations: Vec<Adaptation>,
    /// How the scenario is kept apart from others.
    pub isolation: Option<String>,
    /// Parts that are not what users run, each named.
    pub stand_ins: Vec<String>,
    /// From create until every pod was Ready, in microseconds; 0 on lanes without a cluster.
    pub ready_us: u64,
}

/// A staged plan.
pub trait Scene: Send {
    /// What was done to stage it.
    fn staging(&self) -> &Staging;
    /// Reads everything there is to judge. May be called again: each call is a fresh observation.
    fn observe<'a>(&'a mut self, cx: &'a Context) -> BoxFuture<'a, Result<Observation, TestbedError>>;
    /// For people and tests: where it can be entered, as commands to paste.
    fn doors(&self) -> Vec<String>;
    /// Takes it down, and looks at what stays of its pods.
    fn close(self: Box<Self>) -> BoxFuture<'static, Closed>;
}

/// What came of taking a scene down.
#[must_use = "what was left behind must be told"]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// What could not be cleaned up, each a line.
    pub left_behind: Vec<String>,
    /// What stays of pods that are gone: for the judge, since it is the plugins' doing. None where there was nothing to
    /// look at, or nobody looked.
    pub leaks: Option<Vec<Leak>>,
}

impl Closed {
    /// All of it, each a line: for those who don't judge what stays.
    #[must_use]
    pub fn lines(self) -> Vec<String> {
        let stays = |left: Leak| match left.pod {
            Some(pod) => format!("pod {pod} is gone, and {} stays in {}", left.what, left.place),
            None => format!("every pod is gone, and {} stays in {}", left.what, left.place),
        };
        let mut lines = self.left_behind;
        lines.extend(self.leaks.into_iter().flatten().map(stays));
        lines
    }
}
