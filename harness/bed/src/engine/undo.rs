//! Taking away what runs made in the engine: by journal, and by label.

use super::{Engine, Network};
use crate::broken::Broken;
use crate::ids::{OWNER, OWNER_LABEL, RUN_LABEL};
use crate::journal::{Effect, Undo};
use futures::future::{BoxFuture, FutureExt as _};

/// Label that kind puts on its nodes, with the cluster's name (kind's `pkg/cluster/internal/providers/docker`).
const KIND_LABEL: &str = "io.x-k8s.kind.cluster";

/// Undoes containers, networks, volumes and half-made clusters. Connects when there is first something to undo, so
/// that a run without such effects needs no engine.
#[derive(Debug, Default)]
pub struct Sweeper {
    engine: tokio::sync::OnceCell<Engine>,
}

impl Sweeper {
    /// One that connects to the user's engine when it has to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One for an engine that is connected already.
    #[must_use]
    pub fn of(engine: Engine) -> Self {
        Self { engine: tokio::sync::OnceCell::new_with(Some(engine)) }
    }

    async fn engine(&self) -> Result<&Engine, Broken> {
        self.engine.get_or_try_init(Engine::connect).await
    }

    /// Removes what carries our label and the id of a run that is not among `alive`: what a journal was lost for.
    /// Things without a run's id (a cluster that is kept) are left alone. Gives what went, and what could not go,
    /// each a line.
    ///
    /// # Errors
    /// [`Broken`] when the engine does not answer.
    pub async fn sweep(&self, alive: &[String]) -> Result<(Vec<String>, Vec<String>), Broken> {
        let engine = self.engine().await?;
        let ours = [format!("{OWNER_LABEL}={OWNER}"), RUN_LABEL.to_owned()];
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        let mut tell = |what: String, removed: Result<(), Broken>| match removed {
            Ok(()) => gone.push(what),
            Err(broken) => left.push(format!("{what}: {broken}")),
        };
        let dead = |run: Option<&String>| run.is_some_and(|run| !alive.contains(run));
        for container in engine.containers(&ours).await? {
            if dead(container.labels.get(RUN_LABEL)) {
                tell(format!("container {}", container.name), engine.remove(&container.id).await);
            }
        }
        for network in engine.networks(&ours).await? {
            if dead(network.labels.get(RUN_LABEL)) {
                tell(format!("network {}", network.name), remove_network(engine, &network).await);
            }
        }
        for (volume, run) in engine.labelled_volumes(&ours, RUN_LABEL).await? {
            if dead(run.as_ref()) {
                tell(format!("volume {volume}"), engine.remove_volume(&volume).await);
            }
        }
        Ok((gone, left))
    }

    /// Removes what an effect names, if it carries our label: an intent is written before the thing is made, and a
    /// name may turn out to be taken by somebody else's.
    async fn remove(&self, effect: &Effect) -> Result<(), Broken> {
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
            // kind can't label its nodes as ours; whoever journals a cluster has made sure before that the name was
            // free.
            Effect::Cluster { name } => {
                for node in engine.containers(&[format!("{KIND_LABEL}={name}")]).await? {
                    engine.remove(&node.id).await?;
                }
                Ok(())
            }
            other => Err(Broken::new("undo", format!("{other} is nothing of the engine's"))),
        }
    }
}

fn is_ours(labels: &std::collections::BTreeMap<String, String>) -> bool {
    labels.get(OWNER_LABEL).is_some_and(|owner| owner == OWNER)
}

/// Removes a network, after taking off the containers that are still on it.
async fn remove_network(engine: &Engine, network: &Network) -> Result<(), Broken> {
    for container in engine.on_network(&network.id).await? {
        engine.disconnect_network(&network.id, &container).await?;
    }
    engine.remove_network(&network.id).await
}

impl Undo for Sweeper {
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), Broken>>> {
        let ours = matches!(
            effect,
            Effect::Container { .. } | Effect::Network { .. } | Effect::Volume { .. } | Effect::Cluster { .. }
        );
        ours.then(|| self.remove(effect).boxed())
    }
}
