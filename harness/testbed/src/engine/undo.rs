//! Removes the objects of runs in the engine: those in journals, and those with labels.

use super::{Engine, Network};
use crate::error::TestbedError;
use crate::ids::{OWNER, OWNER_LABEL, RUN_LABEL};
use crate::journal::{self, Effect, RunState, Undo};
use futures::future::{BoxFuture, FutureExt as _};

/// The result of a sweep by label, one line for each object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepResult {
    /// Removed objects.
    pub gone: Vec<String>,
    /// Objects that could not be removed.
    pub left: Vec<String>,
    /// Objects of runs that this state folder does not contain. Another user's run may be alive.
    pub unknown: Vec<String>,
}

/// Undoes containers, networks and volumes; the lanes undo clusters. It connects for the first effect, so that a run without
/// such effects needs no engine.
#[derive(Debug, Default)]
pub struct Sweeper {
    engine: tokio::sync::OnceCell<Engine>,
}

impl Sweeper {
    /// A sweeper with an existing connection to an engine.
    pub fn of(engine: Engine) -> Self {
        Self { engine: tokio::sync::OnceCell::new_with(Some(engine)) }
    }

    async fn engine(&self) -> Result<&Engine, TestbedError> {
        self.engine.get_or_try_init(Engine::connect).await
    }

    /// Removes objects with Plumbline's label and the id of a dead run that are not in its journal. Objects without a run's id
    /// (those of a kept cluster) stay, and so do objects of a live run or of a run that this state folder does not contain.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn sweep(&self) -> Result<SweepResult, TestbedError> {
        let engine = self.engine().await?;
        let ours = [format!("{OWNER_LABEL}={OWNER}"), RUN_LABEL.to_owned()];
        let mut swept = SweepResult::default();
        for container in engine.containers(&ours).await? {
            let what = format!("container {}", container.name);
            if swept.may_go(&what, container.labels.get(RUN_LABEL))? {
                swept.note(what, engine.remove(&container.id).await);
            }
        }
        for network in engine.networks(&ours).await? {
            let what = format!("network {}", network.name);
            if swept.may_go(&what, network.labels.get(RUN_LABEL))? {
                swept.note(what, remove_network(engine, &network).await);
            }
        }
        for (volume, run) in engine.labelled_volumes(&ours, RUN_LABEL).await? {
            let what = format!("volume {volume}");
            if swept.may_go(&what, run.as_ref())? {
                swept.note(what, engine.remove_volume(&volume).await);
            }
        }
        Ok(swept)
    }

    /// Removes the object of an effect if it has Plumbline's label. An intent is written before the object is created, and the
    /// name may belong to another program's object.
    async fn remove(&self, effect: &Effect) -> Result<(), TestbedError> {
        let engine = self.engine().await?;
        let label = format!("{OWNER_LABEL}={OWNER}");
        match effect {
            Effect::Container { name } => match engine.container(name).await? {
                Some(container) if is_ours(&container.labels) => engine.remove(&container.id).await,
                _ => Ok(()),
            },
            Effect::Network { name } => match engine.network(name).await? {
                Some(network) if is_ours(&network.labels) => remove_network(engine, &network).await,
                _ => Ok(()),
            },
            Effect::Volume { name } => {
                let ours = engine.labelled_volumes(&[label], OWNER_LABEL).await?;
                if ours.iter().any(|(volume, _)| volume == name) { engine.remove_volume(name).await } else { Ok(()) }
            }
            other => Err(TestbedError::new("undo", format!("{other} is no object of the engine"))),
        }
    }
}

impl SweepResult {
    fn note(&mut self, what: String, removed: Result<(), TestbedError>) {
        match removed {
            Ok(()) => self.gone.push(what),
            Err(error) => self.left.push(format!("{what}: {error}")),
        }
    }

    /// Checks the state of the run right before the removal, because a run may have begun after the sweep.
    fn may_go(&mut self, what: &str, run: Option<&String>) -> Result<bool, TestbedError> {
        let Some(run) = run else { return Ok(false) };
        let state = journal::state_of(run)?;
        if state == RunState::Unknown {
            self.unknown.push(format!("{what} of run {run}"));
        }
        Ok(state == RunState::Dead)
    }
}

fn is_ours(labels: &std::collections::BTreeMap<String, String>) -> bool {
    labels.get(OWNER_LABEL).is_some_and(|owner| owner == OWNER)
}

/// Disconnects all containers from a network, and removes it.
async fn remove_network(engine: &Engine, network: &Network) -> Result<(), TestbedError> {
    for container in engine.on_network(&network.id).await? {
        engine.disconnect_network(&network.id, &container).await?;
    }
    engine.remove_network(&network.id).await
}

impl Undo for Sweeper {
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>> {
        let ours = matches!(effect, Effect::Container { .. } | Effect::Network { .. } | Effect::Volume { .. });
        ours.then(|| self.remove(effect).boxed())
    }
}
