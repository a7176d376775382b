//! The scenario by the library, on an open lane, as for every later scenario of a suite.

use crate::runner::Bench;
use anyhow::Context as _;
use plumbline::bench;
use plumbline_core::cni::CniCommand;
use plumbline_core::observe::Observation;
use plumbline_core::verdict::Verdict;
use std::time::{Duration, Instant};

/// An open lane.
pub struct Library(bench::Bench);

/// The times of one scenario.
pub struct ScenarioTimes {
    /// Facts checked.
    pub checked: usize,
    /// The sum of the plugins' own times, of every ADD.
    pub plugins: Duration,
    /// From its start until its pods were attached.
    pub staged: Duration,
    /// Reading the pods, by `ip` and by netlink.
    pub observed: Duration,
    /// From its start to the verdict.
    pub verdict: Duration,
    /// From its start until everything was deleted.
    pub total: Duration,
}

impl Library {
    /// Opens a lane.
    ///
    /// # Errors
    /// When this host cannot open it.
    pub async fn open(bench: &Bench, lane: &str) -> anyhow::Result<Self> {
        Ok(Self(bench::Bench::open_with(lane, bench.options.clone()).await?))
    }

    /// Runs the scenario once.
    ///
    /// # Errors
    /// When it does not pass, or leaves something behind.
    pub async fn run(&self, bench: &Bench) -> anyhow::Result<ScenarioTimes> {
        let start = Instant::now();
        let mut times = self
            .0
            .with_plan(&bench.plan, async |scene| {
                let staged = start.elapsed();
                let seen = scene.observe().await?;
                let observed = start.elapsed() - staged;
                let plugins = sum_plugin_times(seen.observation());
                let judged = seen.judge()?;
                let verdict = start.elapsed();
                let Verdict::Pass { checked, .. } = *judged.verdict() else {
                    anyhow::bail!("the scenario did not pass\n{}", judged.text());
                };
                Ok(ScenarioTimes { checked, plugins, staged, observed, verdict, total: Duration::ZERO })
            })
            .await
            .with_context(|| bench.plan.name.clone())?;
        times.total = start.elapsed();
        Ok(times)
    }

    /// Closes the lane.
    ///
    /// # Errors
    /// When something is left behind.
    pub async fn close(self) -> anyhow::Result<()> {
        self.0.close().await
    }
}

/// The sum of the plugins' times, each from the start of the process to its end.
fn sum_plugin_times(observation: &Observation) -> Duration {
    let outcomes = observation.pods.iter().flat_map(|pod| &pod.outcomes);
    let calls = outcomes.flat_map(|(_, outcome)| &outcome.calls).filter(|call| call.command == CniCommand::Add);
    Duration::from_micros(calls.map(|call| call.duration_us).sum())
}
