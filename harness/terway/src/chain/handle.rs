//! The connection to a cluster: through a context of the user's kubeconfig, or to a cluster of Plumbline.

use crate::STAND_INS;
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

const STAGE: &str = "connect to the cluster";
/// Deadline of a program on a node of Plumbline.
const RUN: Duration = Duration::from_secs(20);
/// The longest wait for other users of a cluster of Plumbline.
const HELD: Duration = Duration::from_secs(600);

/// The data for connecting to a cluster. Another process can read it and connect again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAccess {
    /// The absolute paths of existing kubeconfig files, in order.
    pub files: Vec<PathBuf>,
    /// The context in them; none for the current one.
    pub context: Option<String>,
    /// The name of a cluster of Plumbline.
    pub ours: Option<String>,
}

impl ClusterAccess {
    /// A context in the files that `KUBECONFIG` names, else in the default file. Missing files are ignored, as in kubectl.
    ///
    /// # Errors
    /// `TestbedError` when none of them exists.
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
        // Absolute paths, because another process may connect from another folder.
        let files: Vec<PathBuf> = there.map(std::path::absolute).collect::<Result<_, _>>().at_stage(STAGE)?;
        if files.is_empty() {
            let named: Vec<String> = named.iter().map(|file| file.display().to_string()).collect();
            return Err(TestbedError::new(STAGE, format!("no kubeconfig: {} not found", named.join(", ")))
                .with_hint("set KUBECONFIG to its path; the default is ~/.kube/config"));
        }
        Ok(Self { files, context: Some(context.to_owned()), ours: None })
    }

    /// Whether it was a cluster of Plumbline that was deleted.
    pub fn is_gone(&self) -> bool {
        self.ours.is_some() && self.files.iter().all(|file| !file.exists())
    }

    async fn client(&self) -> Result<Client, TestbedError> {
        plumbline_kube::client::connect(&self.files, self.context.as_deref(), STAGE).await
    }
}

/// The user's name for a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterTarget {
    /// A context of the user's kubeconfig.
    Context(String),
    /// The cluster that Plumbline created from a profile.
    Profile(String),
}

/// An open connection to a cluster.
pub struct ClusterHandle {
    /// Its name in reports.
    pub name: String,
    /// How to connect to it again.
    pub way: ClusterAccess,
    /// Client of its API server.
    pub client: Client,
    /// The engine that runs its nodes as containers, if it is a cluster of Plumbline.
    pub engine: Option<Engine>,
    /// Its nodes with their agents, if the caller had connected to them.
    nodes: Vec<Node>,
    /// Held while a cluster of Plumbline is in use, so that no other process deletes it.
    _lease: Option<Lease>,
}

impl ClusterHandle {
    /// Connects to the cluster that the user names.
    ///
    /// # Errors
    /// `TestbedError` when there is no such context or cluster, or other processes use it at the deadline.
    pub async fn open(target: &ClusterTarget, hold: Kind) -> Result<Self, TestbedError> {
        match target {
            ClusterTarget::Context(context) => Self::connect(ClusterAccess::of_context(context)?, hold).await,
            ClusterTarget::Profile(profile) => Self::of_profile(profile, hold).await,
        }
    }

    /// Connects to a cluster. For a cluster of Plumbline this takes a lease: exclusive for a change, because all users share
    /// its chain.
    ///
    /// # Errors
    /// `TestbedError` when there is no such context, the cluster of Plumbline no longer exists, or other processes use it at
    /// the deadline.
    pub async fn connect(way: ClusterAccess, hold: Kind) -> Result<Self, TestbedError> {
        let client = way.client().await?;
        let (mut engine, mut lease) = (None, None);
        let name = match (&way.ours, &way.context) {
            (Some(cluster), _) => {
                engine = Some(Engine::connect().await?);
                lease = Some(up::take_lease(cluster, hold, Deadline::after(HELD)).await?);
                format!("cluster {cluster}")
            }
            (None, Some(context)) => format!("context {context}"),
            (None, None) => "the current context".to_owned(),
        };
        Ok(Self { name, way, client, engine, nodes: Vec::new(), _lease: lease })
    }

    /// The newest cluster of Plumbline with a profile. This does not bring it up.
    ///
    /// # Errors
    /// `TestbedError` when there is none.
    pub async fn of_profile(profile: &str, hold: Kind) -> Result<Self, TestbedError> {
        let engine = Engine::connect().await?;
        for known in record::list_records()?.into_iter().filter(|known| known.complete && known.profile == profile) {
            if !node::list_containers(&engine, &known.name).await?.is_empty() {
                let home = record::Home::of(&known.name)?;
                let way = ClusterAccess { files: vec![home.kubeconfig()], context: None, ours: Some(known.name) };
                return Self::connect(way, hold).await;
            }
        }
        Err(TestbedError::new(STAGE, format!("no cluster of the profile {profile} is up"))
            .with_hint(format!("plumbline up --profile {profile}")))
    }

    /// A cluster of Plumbline on which the caller holds a lease.
    pub fn of_cluster(cluster: &Cluster) -> Self {
        let way =
            ClusterAccess { files: vec![cluster.kubeconfig.clone()], context: None, ours: Some(cluster.name.clone()) };
        let name = format!("cluster {}", cluster.name);
        let (client, engine) = (cluster.client.clone(), Some(cluster.engine().clone()));
        Self { name, way, client, engine, nodes: cluster.nodes.clone(), _lease: None }
    }

    /// Parts of a cluster of Plumbline that differ from users' clusters.
    pub(super) fn stand_ins(&self) -> Vec<String> {
        STAND_INS.iter().filter(|_| self.engine.is_some()).map(|line| (*line).to_owned()).collect()
    }

    /// Runs a program on a node of Plumbline. Returns whether it succeeded, its standard output and its standard error; none
    /// for a user's cluster. The agent runs it if there is one, because that is many times cheaper.
    ///
    /// # Errors
    /// `TestbedError` when the engine, or the agent, does not answer.
    pub async fn run_on_node(&self, node: &str, argv: &[&str]) -> Result<Option<(bool, String, String)>, TestbedError> {
        let Some(engine) = &self.engine else { return Ok(None) };
        if let Some(opened) = self.nodes.iter().find(|opened| opened.name == node) {
            let ran = opened.run(argv).await?;
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
    async fn a_connection_uses_only_the_recorded_files() {
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
