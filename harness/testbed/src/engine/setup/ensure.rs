//! From a host without an engine to one whose engine answers.

use super::daemon::{self, DaemonPlace};
use super::plan::{self, DaemonStart, SetupPlan};
use super::record::EngineRecord;
use super::settings::EngineSettings;
use super::{host, install};
use crate::engine::{Endpoint, Engine};
use crate::error::TestbedError;
use crate::folders;
use crate::lease::{Kind, Lease};
use crate::packages::Note;
use crate::wait::Deadline;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another plumbline's set-up of the engine is waited for.
const LEASE: Duration = Duration::from_secs(900);

/// The set-up of the engine on this host.
pub struct Setup {
    settings: EngineSettings,
    place: DaemonPlace,
    state: PathBuf,
    note: Note,
}

/// What is needed before an engine answers.
#[derive(Debug)]
pub enum Needed {
    /// Nothing.
    Nothing(Engine),
    /// This.
    Plan(SetupPlan),
}

impl Setup {
    /// The set-up at the usual place, by the settings of a checkout. `note` gets each line of progress.
    ///
    /// # Errors
    /// [`TestbedError`] when the settings can't be read or there is no state folder.
    pub fn new(root: &Path, note: impl Fn(&str) + Send + Sync + 'static) -> Result<Self, TestbedError> {
        Self::at(root, DaemonPlace::usual(), folders::state()?, note)
    }

    /// The set-up at a place, with a state folder. [`Self::new`] is for everything but tests of the set-up.
    ///
    /// # Errors
    /// [`TestbedError`] when the settings can't be read.
    pub fn at(
        root: &Path,
        place: DaemonPlace,
        state: PathBuf,
        note: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, TestbedError> {
        Ok(Self { settings: EngineSettings::read(root)?, place, state, note: std::sync::Arc::new(note) })
    }

    /// What would have to be done. Changes nothing.
    ///
    /// # Errors
    /// [`TestbedError`] when there is no engine and none can be started here: why, and how to fix it.
    pub async fn needed(&self) -> Result<Needed, TestbedError> {
        let endpoint = self.endpoint()?;
        let fault = match Engine::connect_to(endpoint.clone()).await {
            Ok(engine) => return Ok(Needed::Nothing(engine)),
            Err(fault) => fault,
        };
        // Another endpoint than ours, or one that answers and refuses, is not ours to change.
        if endpoint != self.place.endpoint && !endpoint.is_usual() || fault.cause().contains("ermission denied") {
            return Err(fault);
        }
        // Where systemd holds the socket for an engine that is down, its own message is better than ours.
        let looked = host::read_host(&self.settings, None);
        if !looked.systemd && daemon::is_foreign(&self.place) {
            let cause = format!(
                "something listens at {} that is no container engine, and dockerd would take its place: {}",
                self.place.endpoint.host,
                fault.cause()
            );
            return Err(TestbedError::new("engine", cause)
                .with_hint("end the process that listens (ss -lxp shows it), or name your engine in DOCKER_HOST"));
        }
        let record = self.record();
        plan::plan_setup(&host::read_host(&self.settings, record.as_ref()), &self.settings).map(Needed::Plan)
    }

    /// Makes sure that an engine answers. Where one does, nothing is touched. `may_install` is the user's consent;
    /// `runtime` gives our OCI runtime's program and is only awaited where the host's capabilities are short.
    ///
    /// # Errors
    /// [`TestbedError`]: what was tried, and how to fix it. What was installed stays; the same call goes on from there.
    pub async fn ensure(
        &self,
        may_install: bool,
        runtime: impl Future<Output = Result<PathBuf, TestbedError>>,
    ) -> Result<Engine, TestbedError> {
        if let Needed::Nothing(engine) = self.needed().await? {
            return Ok(engine);
        }
        let _alone = Lease::take("engine-setup", Kind::Exclusive, Deadline::after(LEASE)).await?;
        if let Some(engine) = daemon::settle(&self.place).await? {
            return Ok(engine);
        }
        // Another plumbline may have done it while we waited.
        let plan = match self.needed().await? {
            Needed::Nothing(engine) => return Ok(engine),
            Needed::Plan(plan) => plan,
        };
        (self.note)(&format!("no container engine answers at {}; to be done:", self.place.endpoint.host));
        for line in plan.lines() {
            (self.note)(&format!("- {line}"));
        }
        if plan.consent && !may_install {
            let cause = format!(
                "no container engine answers at {}; plumbline would {}",
                self.place.endpoint.host,
                plan.lines().join("; ")
            );
            return Err(
                TestbedError::new("engine", cause).with_hint("run with --yes to allow it, or start an engine yourself")
            );
        }
        if let Some((_, wanted)) = plan.inotify.filter(|_| may_install)
            && let Err(error) = std::fs::write(host::INOTIFY, wanted.to_string())
        {
            // A cluster of one node does without; one of more reports the lack when its kubelet does not start.
            (self.note)(&format!("{} could not be raised: {error}", host::INOTIFY));
        }
        self.carry_out(&plan, runtime).await
    }

    async fn carry_out(
        &self,
        plan: &SetupPlan,
        runtime: impl Future<Output = Result<PathBuf, TestbedError>>,
    ) -> Result<Engine, TestbedError> {
        let mut packages = self.record().map(|record| record.packages).unwrap_or_default();
        if !plan.packages.is_empty() {
            packages = install::install(&plan.packages, &self.settings, &self.note).await?;
            (self.note)(&format!("installed {}", packages.join(" ")));
            // The package's own scripts start it on many hosts.
            if let Ok(engine) = Engine::connect_to(self.place.endpoint.clone()).await {
                return Ok(engine);
            }
        }
        if plan.start == DaemonStart::Service {
            return daemon::start_service(&self.place, self.settings.deadlines.start, &self.note).await;
        }
        let program = if plan.lacking.is_empty() { None } else { Some(runtime.await?) };
        let ours = program.as_deref().map(|path| (self.settings.runtime.as_str(), path));
        (self.note)("starting dockerd");
        let (engine, started) = daemon::start(&self.place, ours, &self.state, self.settings.deadlines.start).await?;
        EngineRecord { packages, ..started }.write(&self.state)?;
        let info = engine.info().await?;
        (self.note)(&format!("engine {} answers, storage {}, runtime {}", info.version, info.storage, info.runtime));
        if !plan.lacking.is_empty() && info.runtime != self.settings.runtime {
            let cause =
                format!("dockerd runs, but its default runtime is {}, not {}", info.runtime, self.settings.runtime);
            return Err(TestbedError::new("engine", cause).with_hint("see /etc/docker/daemon.json"));
        }
        Ok(engine)
    }

    /// The engine that we started here, whether or not it still runs.
    pub fn record(&self) -> Option<EngineRecord> {
        EngineRecord::read(&self.state).filter(|record| record.host == self.place.endpoint.host)
    }

    /// Ends the engine that we started, and gives its process id; none when there is none of ours.
    ///
    /// # Errors
    /// [`TestbedError`] when it does not end.
    pub async fn stop(&self) -> Result<Option<u32>, TestbedError> {
        let Some(record) = self.record() else { return Ok(None) };
        let running = record.alive();
        daemon::stop(&self.place, &record, self.settings.deadlines.stop).await?;
        EngineRecord::forget(&self.state)?;
        Ok(running.then_some(record.pid))
    }

    /// The user's endpoint; a private place is its own.
    fn endpoint(&self) -> Result<Endpoint, TestbedError> {
        if self.place.endpoint.is_usual() { Endpoint::of_user() } else { Ok(self.place.endpoint.clone()) }
    }
}
