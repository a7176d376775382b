//! How a cluster is reached: by a context of the user's own kubeconfig, or as a cluster of ours.

use kube::Client;
use plumbline_cluster::node::{self, Node};
use plumbline_cluster::{Cluster, record, up};
use plumbline_testbed::engine::Engine;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::Deadline;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

const STAGE: &str = "reach the cluster";
/// Deadline of a program on a node of ours.
const RUN: Duration = Duration::from_secs(20);
/// How long others' use of a cluster of ours is waited for.
const HELD: Duration = Duration::from_secs(600);

/// The way to a cluster, as it can be written down and gone again by another process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAccess {
    /// Kubeconfig files, in order, by absolute paths; each was there.
    pub files: Vec<PathBuf>,
    /// The context in them; none for the current one.
    pub context: Option<String>,
    /// The name of a cluster of ours.
    pub ours: Option<String>,
}

impl ClusterAccess {
    /// By a context of the user's: of the files that `KUBECONFIG` names, else of the default one. Those that are not there
    /// are passed over, as kubectl does.
    ///
    /// # Errors
    /// `TestbedError` when there is none of them.
    pub fn of_context(context: &str) -> Result<Self, TestbedError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let named: Vec<PathBuf> = match (set("KUBECONFIG"), set("HOME")) {
            (Some(all), _) => std::env::split_paths(&all).filter(|file| !file.as_os_str().is_empty()).collect(),
            (None, Some(home)) => vec![PathBuf::from(home).join(".kube/config")],
            (None, None) => Vec::new(),
        };
        Self::of_files(&named, context)
    }

    fn of_files(named: &[PathBuf], context: &str) -> Result<Self, TestbedError> {
        let there = named.iter().filter(|file| file.exists());
        // Whoever goes this way later may stand in another folder.
        let files: Vec<PathBuf> = there.map(std::path::absolute).collect::<Result<_, _>>().at_stage(STAGE)?;
        if files.is_empty() {
            let named: Vec<String> = named.iter().map(|file| file.display().to_string()).collect();
            return Err(TestbedError::new(STAGE, format!("there is no kubeconfig: {} not found", named.join(", ")))
                .with_hint("KUBECONFIG names it, else it is ~/.kube/config"));
        }
        Ok(Self { files, context: Some(context.to_owned()), ours: None })
    }

    /// Whether it leads nowhere any more: a cluster of ours that was taken down.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.ours.is_some() && self.files.iter().all(|file| !file.exists())
    }

    async fn client(&self) -> Result<Client, TestbedError> {
        plumbline_kube::client::connect(&self.files, self.context.as_deref(), STAGE).await
    }
}

/// A cluster that is reached.
pub struct ClusterHandle {
    /// How it is called in reports.
    pub name: String,
    /// The way to it.
    pub way: ClusterAccess,
    /// Client of its API server.
    pub client: Client,
    /// The engine whose containers its nodes are, where it is ours.
    pub engine: Option<Engine>,
    /// Its nodes with their agents, where it was held and opened already.
    nodes: Vec<Node>,
    /// Held while it is ours and used, so that nobody takes it down meanwhile.
    _lease: Option<Lease>,
}

impl ClusterHandle {
    /// Goes a way. A cluster of ours is held meanwhile: to change it alone, since its chain is everybody's there.
    ///
    /// # Errors
    /// `TestbedError` when there is no such context, the cluster of ours is gone, or others use it at the deadline.
    pub async fn by(way: ClusterAccess, hold: Kind) -> Result<Self, TestbedError> {
        let client = way.client().await?;
        let (engine, lease) = match &way.ours {
            Some(cluster) => {
                (Some(Engine::connect().await?), Some(up::held(cluster, hold, Deadline::after(HELD)).await?))
            }
            None => (None, None),
        };
        let name = match (&way.ours, &way.context) {
            (Some(cluster), _) => format!("cluster {cluster}"),
            (None, Some(context)) => format!("context {context}"),
            (None, None) => "the current context".to_owned(),
        };
        Ok(Self { name, way, client, engine, nodes: Vec::new(), _lease: lease })
    }

    /// The newest cluster of ours of a profile. It is not brought up.
    ///
    /// # Errors
    /// `TestbedError` when there is none.
    pub async fn of_profile(profile: &str, hold: Kind) -> Result<Self, TestbedError> {
        let engine = Engine::connect().await?;
        for known in record::all()?.into_iter().filter(|known| known.complete && known.profile == profile) {
            if !node::containers(&engine, &known.name).await?.is_empty() {
                let home = record::Home::of(&known.name)?;
                let way = ClusterAccess { files: vec![home.kubeconfig()], context: None, ours: Some(known.name) };
                return Self::by(way, hold).await;
            }
        }
        Err(TestbedError::new(STAGE, format!("no cluster of the profile {profile} is up"))
            .with_hint(format!("plumbline up --profile {profile}")))
    }

    /// A cluster of ours that is held already, by whoever gives it.
    #[must_use]
    pub fn of_cluster(cluster: &Cluster) -> Self {
        let way =
            ClusterAccess { files: vec![cluster.kubeconfig.clone()], context: None, ours: Some(cluster.name.clone()) };
        let name = format!("cluster {}", cluster.name);
        let (client, engine) = (cluster.client.clone(), Some(cluster.engine().clone()));
        Self { name, way, client, engine, nodes: cluster.nodes.clone(), _lease: None }
    }

    /// Whether a program on a node of ours ended well, and what it said on standard output, then on standard error; none
    /// where the cluster is not ours. By the agent where there is one, since that is many times cheaper.
    ///
    /// # Errors
    /// `TestbedError` when the engine, or the agent, does not answer.
    pub async fn on_node(&self, node: &str, argv: &[&str]) -> Result<Option<(bool, String, String)>, TestbedError> {
        let Some(engine) = &self.engine else { return Ok(None) };
        if let Some(opened) = self.nodes.iter().find(|opened| opened.name == node) {
            let ran = opened.ran(argv).await?;
            return Ok(Some((ran.code == Some(0), ran.stdout, ran.stderr)));
        }
        let done = engine.exec(node, argv, None, RUN).await?;
        Ok(Some((done.ok(), done.stdout, done.stderr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_way_goes_to_the_files_that_it_was_made_of_and_to_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let (there, absent) = (folder.path().join("there"), folder.path().join("absent"));
        assert!(
            ClusterAccess::of_files(std::slice::from_ref(&absent), "a")
                .unwrap_err()
                .cause()
                .contains("absent not found")
        );
        std::fs::write(&there, "apiVersion: v1\nkind: Config\n").unwrap();
        let way = ClusterAccess::of_files(&[absent, there.clone()], "a").unwrap();
        assert_eq!(way.files, std::slice::from_ref(&there));
        let relative = ClusterAccess::of_files(&["Cargo.toml".into()], "a").unwrap();
        assert!(relative.files[0].is_absolute() && relative.files[0].exists());
        let absent = way.client().await.err().unwrap();
        assert!(absent.cause().starts_with("there is no context a in "), "{absent:?}");
        std::fs::remove_file(&there).unwrap();
        let error = way.client().await.err().unwrap();
        assert!(error.stage.contains("there"), "{error:?}");
    }
}
