//! Sets up an engine on a host without one.

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

/// The longest wait for the set-up of another plumbline process.
const LEASE: Duration = Duration::from_secs(900);

/// The set-up of the engine on this host.
pub struct Setup {
    settings: EngineSettings,
    place: DaemonPlace,
    state: PathBuf,
    note: Note,
}

/// The work that is needed until an engine answers.
#[derive(Debug)]
pub enum Needed {
    /// None: the engine answers.
    Nothing(Engine),
    /// This plan.
    Plan(SetupPlan),
}

impl Setup {
    /// The set-up of the usual engine, with the settings of a checkout. `note` gets each line of progress.
    ///
    /// # Errors
    /// [`TestbedError`] when the settings can't be read or there is no state folder.
    pub fn new(root: &Path, note: impl Fn(&str) + Send + Sync + 'static) -> Result<Self, TestbedError> {
        Self::at(root, DaemonPlace::usual(), folders::state()?, note)
    }

    /// The set-up of an engine at a place, with a state folder. Only for tests of the set-up; other code uses [`Self::new`].
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

    /// Finds out what is needed, without any change.
    ///
    /// # Errors
    /// [`TestbedError`] when no engine runs and none can be started here, with the reason and a hint.
    pub async fn needed(&self) -> Result<Needed, TestbedError> {
        let endpoint = self.endpoint()?;
        let fault = match Engine::connect_to(endpoint.clone()).await {
            Ok(engine) => return Ok(Needed::Nothing(engine)),
            Err(fault) => fault,
        };
        // Plumbline never changes another endpoint, or an engine that answers and refuses.
        if endpoint != self.place.endpoint && !endpoint.is_usual() || fault.cause().contains("ermission denied") {
            return Err(fault);
        }
        // If systemd holds the socket of a stopped engine, systemd's own message is better.
        let looked = host::read_host(&self.settings, None);
        if !looked.systemd && daemon::is_foreign(&self.place) {
            let cause = format!(
                "a program that is no container engine listens at {}, and dockerd would replace its socket: {}",
                self.place.endpoint.host,
                fault.cause()
            );
            return Err(TestbedError::new("engine", cause)
                .with_hint("end the process that listens (ss -lxp shows it), or name your engine in DOCKER_HOST"));
        }
        let record = self.record();
        plan::plan_setup(&host::read_host(&self.settings, record.as_ref()), &self.settings).map(Needed::Plan)
    }

    /// Makes sure that an engine answers. If one does, nothing is changed. `may_install` is the user's consent. `runtime`
    /// returns the program of Plumbline's OCI runtime, and is awaited only if the host lacks capabilities.
    ///
    /// # Errors
    /// [`TestbedError`] with the failed step and a hint. Installed packages stay, and the same call continues from there.
    pub async fn ensure(
        &self,
        may_install: bool,
        runtime: impl Future<Output = Result<PathBuf, TestbedError>>,
    ) -> Result<Engine, TestbedError> {
        if let Needed::Nothing(engine) = self.needed().await? {
            return Ok(engine);
        }
        let _lease = Lease::take("engine-setup", Kind::Exclusive, Deadline::after(LEASE)).await?;
        if let Some(engine) = daemon::settle(&self.place).await? {
            return Ok(engine);
        }
        // Another plumbline process may have done it during the wait.
        let plan = match self.needed().await? {
            Needed::Nothing(engine) => return Ok(engine),
            Needed::Plan(plan) => plan,
        };
        (self.note)(&format!("no container engine answers at {}; plumbline will:", self.place.endpoint.host));
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
            // A one-node cluster works without it. A larger cluster reports the missing instances when its kubelet does not start.
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
            // On many hosts the package's own scripts start the engine.
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

    /// The engine that Plumbline started here, running or not.
    pub fn record(&self) -> Option<EngineRecord> {
        EngineRecord::read(&self.state).filter(|record| record.host == self.place.endpoint.host)
    }

    /// Stops the engine that Plumbline started, and returns its process id; none if Plumbline started none.
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

    /// The user's endpoint, or that of a private engine.
    fn endpoint(&self) -> Result<Endpoint, TestbedError> {
        if self.place.endpoint.is_usual() { Endpoint::of_user() } else { Ok(self.place.endpoint.clone()) }
    }
}
