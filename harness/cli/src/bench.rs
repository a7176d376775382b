//! The library for tests: a lane opened once, scenarios staged on it, observed, judged, and always taken down.
//!
//! Clean-up belongs to the scope ([`Bench::with`]), so that `?` cannot skip it.

use crate::releases::read_releases;
use crate::{registry, root, select, session};
use anyhow::Context as _;
use plumbline_core::finding::FindingCode;
use plumbline_core::judge;
use plumbline_core::observe::{KernelState, Link, Observation, PodObservation, Route};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::{Context, EventSink, Options};
use plumbline_lanes::lane::{OpenLane, StagedScenario};
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An open lane. Open it once per process.
pub struct Bench {
    cx: Context,
    lane: Box<dyn OpenLane>,
    name: &'static str,
}

impl Bench {
    /// Opens a lane with the usual options. Prints each build on standard error.
    ///
    /// # Errors
    /// [`plumbline_testbed::error::TestbedError`] when the lane can't be opened on this host.
    pub async fn open(lane: &str) -> anyhow::Result<Self> {
        Self::open_with(lane, Options::default()).await
    }

    /// Opens a lane with these options.
    ///
    /// # Errors
    /// As [`Bench::open`].
    pub async fn open_with(lane: &str, options: Options) -> anyhow::Result<Self> {
        let events: EventSink = Arc::new(|event| {
            use std::io::Write as _;
            if let plumbline_core::event::Event::StepFinished { scope, step, millis, .. } = event {
                // A test's standard error may be closed.
                let _ = writeln!(anstream::stderr(), "{scope}: {step}, {millis} ms");
            }
        });
        let root = root::find()?;
        let cx = session::context(&root, options, events, CancellationToken::new(), "test")?;
        let known = registry::find(lane);
        let kind = known
            .with_context(|| format!("there is no lane {lane:?}; expected one of {}", registry::names().join(", ")))?;
        let name = kind.name();
        match kind.open(&cx).await {
            Ok(lane) => Ok(Self { cx, lane, name }),
            Err(error) => add_left_behind(Err(error.into()), &session::close(&cx).await),
        }
    }

    /// The lane's name.
    pub fn lane(&self) -> &str {
        self.name
    }

    /// The folder with `clusters/`, `images/` and `suites/`.
    pub fn root(&self) -> &Path {
        &self.cx.root
    }

    /// What the lane lacks for a plan; none if it can be staged.
    pub fn lack(&self, plan: &Plan) -> Option<String> {
        self.lane.lack(plan)
    }

    /// Reads a scenario by file or by name such as `openshift/chain-example`.
    ///
    /// # Errors
    /// [`select::Refused`] with every mistake in the file.
    pub fn plan(&self, scenario: &str) -> anyhow::Result<Plan> {
        let mut plans = select::plans(Some(&self.cx.root), &[PathBuf::from(scenario)])?;
        anyhow::ensure!(plans.len() == 1, "{scenario} names {} scenarios, expected one", plans.len());
        Ok(plans.remove(0))
    }

    /// Stages a scenario, runs `act` on it, and takes it down in any case.
    ///
    /// # Errors
    /// The testbed's error, the error of `act`, or what could not be cleaned up.
    pub async fn with<T>(
        &self,
        scenario: &str,
        act: impl AsyncFnOnce(&mut Staged<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.with_plan(&self.plan(scenario)?, act).await
    }

    /// As [`Bench::with`], for a plan that the test made or changed itself.
    ///
    /// # Errors
    /// As [`Bench::with`].
    pub async fn with_plan<T>(
        &self,
        plan: &Plan,
        act: impl AsyncFnOnce(&mut Staged<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let scene = self.lane.stage(&self.cx, plan).await?;
        let mut staged = Staged { cx: &self.cx, lane: self.name, plan, scene };
        let acted = act(&mut staged).await;
        add_left_behind(acted, &staged.scene.close().await.lines())
    }

    /// Stages, observes and judges a scenario once.
    ///
    /// # Errors
    /// As [`Bench::with`].
    pub async fn judge(&self, scenario: &str) -> anyhow::Result<Judged> {
        self.with(scenario, async |scene| scene.observe().await?.judge()).await
    }

    /// Closes the lane, and undoes the journal's open effects.
    ///
    /// # Errors
    /// What could not be cleaned up.
    pub async fn close(self) -> anyhow::Result<()> {
        let mut left = self.lane.close().await;
        left.extend(session::close(&self.cx).await);
        add_left_behind(Ok(()), &left)
    }
}

/// A result with what a clean-up left behind, which is an error.
fn add_left_behind<T>(result: anyhow::Result<T>, left: &[String]) -> anyhow::Result<T> {
    let message = format!("left behind: {}", left.join("; "));
    match result {
        result if left.is_empty() => result,
        Ok(_) => Err(anyhow::Error::msg(message)),
        Err(error) => Err(error.context(message)),
    }
}

/// A staged scenario.
pub struct Staged<'a> {
    cx: &'a Context,
    lane: &'static str,
    plan: &'a Plan,
    scene: Box<dyn StagedScenario>,
}

impl Staged<'_> {
    /// A fresh observation of every pod. May be called again.
    ///
    /// # Errors
    /// [`plumbline_testbed::error::TestbedError`] when a pod is gone or can't be read.
    pub async fn observe(&mut self) -> anyhow::Result<Observed> {
        let observation = self.scene.observe(self.cx).await?;
        let observation = Observation { releases: read_releases(&self.cx.options), ..observation };
        Ok(Observed { lane: self.lane, plan: self.plan.clone(), observation })
    }

    /// The plan that is staged.
    pub fn plan(&self) -> &Plan {
        self.plan
    }

    /// Commands that enter the pods.
    pub fn entry_commands(&self) -> Vec<String> {
        self.scene.entry_commands().into_iter().map(|entry| entry.command).collect()
    }
}

/// One observation of a staged plan.
#[must_use = "an unjudged observation proves nothing"]
#[derive(Debug, Clone)]
pub struct Observed {
    lane: &'static str,
    plan: Plan,
    observation: Observation,
}

impl Observed {
    /// The whole observation.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// One pod.
    ///
    /// # Errors
    /// When the plan has no pod of that name.
    pub fn pod(&self, name: &str) -> anyhow::Result<&PodObservation> {
        self.observation.pods.iter().find(|pod| pod.pod == name).with_context(|| format!("no pod {name} was observed"))
    }

    /// One interface of a pod.
    ///
    /// # Errors
    /// When the pod, its kernel state or the interface is missing.
    pub fn link(&self, pod: &str, interface: &str) -> anyhow::Result<&Link> {
        let kernel = self.kernel(pod)?;
        kernel.links.iter().find(|link| link.name == interface).with_context(|| {
            let names: Vec<&str> = kernel.links.iter().map(|link| link.name.as_str()).collect();
            format!("pod {pod} has no interface {interface}; it has {}", names.join(", "))
        })
    }

    /// Routes of a pod's main table that go out of one interface.
    ///
    /// # Errors
    /// When the pod or its kernel state is not there.
    pub fn routes(&self, pod: &str, interface: &str) -> anyhow::Result<Vec<&Route>> {
        const MAIN: u32 = 254;
        let out =
            |route: &&Route| route.table == MAIN && route.hops.iter().any(|hop| hop.dev.as_deref() == Some(interface));
        Ok(self.kernel(pod)?.routes.iter().filter(out).collect())
    }

    fn kernel(&self, pod: &str) -> anyhow::Result<&KernelState> {
        let observed = self.pod(pod)?;
        observed.kernel.as_ref().with_context(|| format!("pod {pod} did not come up: {:?}", observed.state))
    }

    /// Judges the observation against the plan's expectations. The result is always `Ok`, so that it can end a closure.
    ///
    /// # Errors
    /// None; a failing scenario is a verdict.
    pub fn judge(self) -> anyhow::Result<Judged> {
        let judgement = judge::judge(&self.plan, &self.observation);
        let notes = judgement.notes.clone();
        let verdict = judge::fold(judgement, false);
        Ok(Judged { lane: self.lane, plan: self.plan, observation: self.observation, verdict, notes })
    }
}

/// A verdict with its plan and observation.
#[must_use = "read the verdict: without it a failure goes unnoticed"]
#[derive(Debug, Clone)]
pub struct Judged {
    lane: &'static str,
    plan: Plan,
    observation: Observation,
    verdict: Verdict,
    notes: Vec<String>,
}

impl Judged {
    /// The verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The codes of all findings, in the judge's order, each once.
    pub fn codes(&self) -> Vec<FindingCode> {
        let (Verdict::Pass { warnings: findings, .. } | Verdict::Fail { findings, .. }) = &self.verdict else {
            return Vec::new();
        };
        let mut codes = Vec::new();
        for finding in findings {
            if !codes.contains(&finding.code) {
                codes.push(finding.code);
            }
        }
        codes
    }

    /// Requires the verdict pass.
    ///
    /// # Errors
    /// The report's text for any other verdict.
    pub fn passes(self) -> anyhow::Result<()> {
        match self.verdict {
            Verdict::Pass { .. } => Ok(()),
            _ => anyhow::bail!("expected the verdict pass\n{}", self.text()),
        }
    }

    /// Requires the verdict fail with exactly these finding codes, in any order; warnings count too.
    ///
    /// # Errors
    /// The report's text for any other verdict or any other codes.
    pub fn fails_with(self, codes: &[FindingCode]) -> anyhow::Result<()> {
        let mut found = self.codes();
        found.sort();
        let mut expected = codes.to_vec();
        expected.sort();
        match self.verdict {
            Verdict::Fail { .. } if found == expected => Ok(()),
            _ => anyhow::bail!("expected the verdict fail with {expected:?}, found {found:?}\n{}", self.text()),
        }
    }

    /// The report as text, without colours.
    pub fn text(&self) -> String {
        let report = ScenarioReport {
            verdict: self.verdict.clone(),
            notes: self.notes.clone(),
            transcripts: self.observation.pods.iter().flat_map(|pod| pod.transcripts.clone()).collect(),
            ..ScenarioReport::blank(&self.plan, self.lane)
        };
        paint::strip(&text::scenario(&report, Transcripts::OnFailure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unknown_lane_is_refused_with_the_known_ones() {
        let refused = Bench::open("netnss").await.err().map(|error| error.to_string());
        let names = registry::names().join(", ");
        assert_eq!(refused, Some(format!("there is no lane \"netnss\"; expected one of {names}")));
    }

    #[test]
    fn a_report_names_the_lane_of_its_bench() {
        let plan = Plan { name: "a/b".into(), file: "a/b.yaml".into(), ..Plan::default() };
        let verdict = Verdict::Fail { checked: 1, findings: vec![] };
        let judged = Judged { lane: "netns", plan, observation: Observation::default(), verdict, notes: vec![] };
        let text = judged.text();
        assert!(text.contains("a/b   lane netns\n"), "{text}");
        assert!(text.contains("plumbline run a/b.yaml --lane netns --keep always"), "{text}");
    }
}
