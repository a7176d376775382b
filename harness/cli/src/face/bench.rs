//! A lane that tests work on.

use super::seen::{Judged, Seen};
use crate::registry;
use crate::{root, select, session};
use anyhow::Context as _;
use plumbline_core::plan::Plan;
use plumbline_lanes::context::{Context, EventSink, Options};
use plumbline_lanes::lane::{OpenLane, StagedScenario};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An open lane with everything that belongs to it. Open it once per process.
pub struct Bench {
    cx: Context,
    lane: Box<dyn OpenLane>,
    name: &'static str,
}

impl Bench {
    /// Opens a lane with usual options; what it builds is told on standard error.
    ///
    /// # Errors
    /// [`plumbline_testbed::error::TestbedError`] when the lane can't be had here.
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
                // A test's standard error may be closed; there is nobody else to tell.
                let _ = writeln!(anstream::stderr(), "{scope}: {step}, {millis} ms");
            }
        });
        let root = root::find()?;
        let cx = session::context(&root, options, events, CancellationToken::new(), "test")?;
        let known = registry::find(lane);
        let kind = known.with_context(|| format!("there is no lane {lane:?}"))?;
        let name = kind.name();
        let opened = kind.open(&cx).await;
        let lane = match opened {
            Ok(open) => open,
            Err(fault) => {
                let left = session::close(&cx).await;
                let error = anyhow::Error::from(fault);
                return Err(if left.is_empty() {
                    error
                } else {
                    error.context(format!("left behind: {}", left.join("; ")))
                });
            }
        };
        Ok(Self { cx, lane, name })
    }

    /// The lane's name.
    #[must_use]
    pub fn lane(&self) -> &str {
        self.name
    }

    /// The folder with `clusters/`, `images/` and `suites/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.cx.root
    }

    /// What the lane lacks for a plan, in words; none when it can be staged.
    #[must_use]
    pub fn lack(&self, plan: &Plan) -> Option<String> {
        self.lane.lack(plan)
    }

    /// Reads a scenario by file or by name such as `openshift/chain-example`.
    ///
    /// # Errors
    /// [`select::Refused`] with every mistake in it.
    pub fn plan(&self, scenario: &str) -> anyhow::Result<Plan> {
        let mut plans = select::plans(Some(&self.cx.root), &[PathBuf::from(scenario)])?;
        anyhow::ensure!(plans.len() == 1, "{scenario} stands for {} scenarios; one is wanted", plans.len());
        Ok(plans.remove(0))
    }

    /// Stages a scenario, runs `act` on it, and takes it down whatever came of that.
    ///
    /// # Errors
    /// The bed's own fault, the error of `act`, or what could not be cleaned up.
    pub async fn with<T>(
        &self,
        scenario: &str,
        act: impl AsyncFnOnce(&mut Staged<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let plan = self.plan(scenario)?;
        self.with_plan(&plan, act).await
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
        let mut staged = Staged { cx: &self.cx, plan, scene };
        let acted = act(&mut staged).await;
        let left = staged.scene.close().await.lines();
        match acted {
            Ok(value) if left.is_empty() => Ok(value),
            Ok(_) => anyhow::bail!("left behind: {}", left.join("; ")),
            Err(error) if left.is_empty() => Err(error),
            Err(error) => Err(error.context(format!("left behind: {}", left.join("; ")))),
        }
    }

    /// Stages, observes and judges a scenario: the whole way, once.
    ///
    /// # Errors
    /// As [`Bench::with`].
    pub async fn judge(&self, scenario: &str) -> anyhow::Result<Judged> {
        self.with(scenario, async |scene| scene.observe().await?.judge()).await
    }

    /// Ends the lane and whatever is still open in the journal.
    ///
    /// # Errors
    /// What could not be cleaned up.
    pub async fn close(self) -> anyhow::Result<()> {
        let mut left = self.lane.close().await;
        left.extend(session::close(&self.cx).await);
        anyhow::ensure!(left.is_empty(), "left behind: {}", left.join("; "));
        Ok(())
    }
}

/// A staged scenario.
pub struct Staged<'a> {
    cx: &'a Context,
    plan: &'a Plan,
    scene: Box<dyn StagedScenario>,
}

impl Staged<'_> {
    /// A fresh observation of every pod. May be called again.
    ///
    /// # Errors
    /// [`plumbline_testbed::error::TestbedError`] when what is to be observed is gone or can't be read.
    pub async fn observe(&mut self) -> anyhow::Result<Seen> {
        let observation = self.scene.observe(self.cx).await?;
        Ok(Seen::new(self.plan.clone(), observation))
    }

    /// The plan that is staged.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        self.plan
    }

    /// How it can be entered, as commands to paste.
    #[must_use]
    pub fn entry_commands(&self) -> Vec<String> {
        self.scene.entry_commands()
    }
}
