//! The scenario by the library face, on a lane that is open already, as the second and every later one of a suite is.

use crate::runner::Bench;
use anyhow::Context as _;
use plumbline::face;
use plumbline_core::cni::CniCommand;
use plumbline_core::observe::Observation;
use plumbline_core::verdict::Verdict;
use std::time::{Duration, Instant};

/// A lane that is open.
pub struct Library(face::Bench);

/// One scenario.
pub struct Ran {
    /// Facts checked.
    pub checked: usize,
    /// The plugins' own times, added up, of every ADD.
    pub plugins: Duration,
    /// From its start until its pods were attached.
    pub staged: Duration,
    /// Reading the pods, by `ip` and by netlink.
    pub observed: Duration,
    /// From its start to the verdict.
    pub verdict: Duration,
    /// From its start until all was deleted.
    pub total: Duration,
}

impl Library {
    /// Opens a lane.
    ///
    /// # Errors
    /// When it can't be had here.
    pub async fn open(bench: &Bench, lane: &str) -> anyhow::Result<Self> {
        Ok(Self(face::Bench::open_with(lane, bench.options.clone()).await?))
    }

    /// Runs the scenario once.
    ///
    /// # Errors
    /// When it does not pass, or something was left behind.
    pub async fn run(&self, bench: &Bench) -> anyhow::Result<Ran> {
        let start = Instant::now();
        let mut ran = self
            .0
            .with_plan(&bench.plan, async |scene| {
                let staged = start.elapsed();
                let seen = scene.observe().await?;
                let observed = start.elapsed() - staged;
                let plugins = plugins(seen.observation());
                let judged = seen.judge()?;
                let verdict = start.elapsed();
                let Verdict::Pass { checked, .. } = *judged.verdict() else {
                    anyhow::bail!("it did not pass\n{}", judged.text());
                };
                Ok(Ran { checked, plugins, staged, observed, verdict, total: Duration::ZERO })
            })
            .await
            .with_context(|| bench.plan.name.clone())?;
        ran.total = start.elapsed();
        Ok(ran)
    }

    /// Closes the lane.
    ///
    /// # Errors
    /// When something was left behind.
    pub async fn close(self) -> anyhow::Result<()> {
        self.0.close().await
    }
}

/// What the plugins themselves took, from the start of each process to its end.
fn plugins(observation: &Observation) -> Duration {
    let outcomes = observation.pods.iter().flat_map(|pod| &pod.outcomes);
    let calls = outcomes.flat_map(|(_, outcome)| &outcome.calls).filter(|call| call.command == CniCommand::Add);
    Duration::from_micros(calls.map(|call| call.duration_us).sum())
}
