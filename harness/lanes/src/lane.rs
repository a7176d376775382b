//! What a lane is: something that opens once per run, stages scenarios, and closes.

use crate::context::Context;
use futures::future::BoxFuture;
use plumbline_core::observe::{Left, Observation};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;

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

/// A kind of lane.
pub trait Lane: Send + Sync {
    /// Its name: `netns`, `kind`.
    fn name(&self) -> &'static str;
    /// One line for `--help` and `list`.
    fn summary(&self) -> &'static str;
    /// Makes it ready for scenarios: builds what is missing, brings a cluster up or checks a warm one.
    /// Called once per run, before any scenario.
    fn open<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>>;
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
    pub left: Option<Vec<Left>>,
}

impl Closed {
    /// All of it, each a line: for those who don't judge what stays.
    #[must_use]
    pub fn lines(self) -> Vec<String> {
        let stays = |left: Left| match left.pod {
            Some(pod) => format!("pod {pod} is gone, and {} stays in {}", left.what, left.place),
            None => format!("every pod is gone, and {} stays in {}", left.what, left.place),
        };
        let mut lines = self.left_behind;
        lines.extend(self.left.into_iter().flatten().map(stays));
        lines
    }
}
