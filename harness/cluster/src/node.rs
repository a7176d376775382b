//! A node of a cluster: its container, and the agent in it, reached by one long-lived exec session for the whole run.

use crate::agent_session::{AgentConnection, MARGIN, Session};
use crate::naming::{NODE_FOLDER, OWNER, OWNER_LABEL};
pub use crate::write_files::File;
use crate::write_files::write_files;
use futures::future::try_join_all;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_testbed::engine::{Container, Engine, NetworkPlan};
use plumbline_testbed::error::{AtStage, TestbedError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

/// The label by which kind knows the containers of a cluster.
pub const KIND_LABEL: &str = "io.x-k8s.kind.cluster";
/// The engine's network on which our nodes are: our own, so that it can go when the last of them went.
pub const NETWORK: &str = "plumbline";
const STAGE: &str = "node";
/// Deadline of a program run on a node, in milliseconds.
const RUN_MS: u64 = 30_000;

/// A node.
#[derive(Clone)]
pub struct Node {
    /// Its name, in kind, in the engine and in Kubernetes.
    pub name: String,
    /// Container id and first process: another one after every restart.
    pub incarnation: String,
    engine: Engine,
    agent: String,
    talk: Arc<Mutex<AgentConnection>>,
    /// A second agent, for questions that take long, made at the first one.
    aside: Arc<OnceCell<Mutex<AgentConnection>>>,
}

/// What stands in the name of a worker that kind made, and not in that of a control plane.
const WORKER: &str = "-worker";

/// The nodes that a scenario's nodes are, in order: the workers, as kind counts them, then the others. A pod is put on its
/// node past the scheduler, so that the taint of a control plane does not keep it away.
pub fn in_scenario_order(nodes: &[Node]) -> Vec<&Node> {
    let mut places: Vec<&Node> = nodes.iter().collect();
    places.sort_by_key(|node| order(&node.name));
    places
}

/// Workers by their number before all others.
fn order(name: &str) -> (bool, Option<u32>) {
    let number = number(name);
    (number.is_none(), number)
}

/// The number of a worker: kind calls the first `NAME-worker`, the second `NAME-worker2`.
fn number(name: &str) -> Option<u32> {
    match &name[name.rfind(WORKER)? + WORKER.len()..] {
        "" => Some(1),
        number => number.parse().ok(),
    }
}

/// What a program on a node did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Exit code; none when a signal or the deadline ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The containers of a cluster, by name.
///
/// # Errors
/// `TestbedError` when the engine does not answer.
pub async fn containers(engine: &Engine, cluster: &str) -> Result<Vec<Container>, TestbedError> {
    engine.containers(&[format!("{KIND_LABEL}={cluster}")]).await
}

/// Makes the nodes' network where there is none.
///
/// # Errors
/// `TestbedError` when the engine refuses, or when there is one of that name that is not ours.
pub async fn network(engine: &Engine) -> Result<(), TestbedError> {
    match engine.network(NETWORK).await? {
        Some(found) if found.labels.get(OWNER_LABEL).map(String::as_str) == Some(OWNER) => Ok(()),
        Some(_) => Err(TestbedError::new(STAGE, format!("the engine has a network {NETWORK} that is not ours"))
            .with_hint(format!("give it another name, or remove it: docker network rm {NETWORK}"))),
        None => engine.make_network(&NetworkPlan { name: NETWORK.to_owned(), ..NetworkPlan::default() }).await,
    }
}

/// Opens an agent on every node; `agent` is its binary on this host.
///
/// # Errors
/// `TestbedError`, naming the node.
pub async fn open(engine: &Engine, containers: &[Container], agent: &Path) -> Result<Vec<Node>, TestbedError> {
    let (file, hash) = agent_file(agent)?;
    try_join_all(containers.iter().map(|container| one(engine, container, &file.path, &file.bytes, &hash))).await
}

/// The agent as it stands in a container, with its SHA-256; `agent` is its binary on this host.
///
/// # Errors
/// `TestbedError` when it can't be read.
pub fn agent_file(agent: &Path) -> Result<(File, String), TestbedError> {
    let bytes = std::fs::read(agent).at_stage(&format!("read {}", agent.display()))?;
    let hash = crate::naming::full_hash(&bytes);
    // The name carries the content, so one that is there is the right one, and a running one is never overwritten.
    let path = format!("{NODE_FOLDER}/agent-{}", &hash[..16]);
    Ok((File { path, mode: 0o755, bytes }, hash))
}

async fn one(
    engine: &Engine,
    container: &Container,
    path: &str,
    bytes: &[u8],
    hash: &str,
) -> Result<Node, TestbedError> {
    let talk = match AgentConnection::begin(engine, &container.name, path).await {
        Ok(talk) => talk,
        // Whatever it was, it is told again below, when the agent is there for certain.
        Err(_) => {
            let file = File { path: path.to_owned(), mode: 0o755, bytes: bytes.to_vec() };
            write_files(engine, &container.name, vec![file]).await?;
            AgentConnection::begin(engine, &container.name, path).await?
        }
    };
    let node = Node {
        name: container.name.clone(),
        incarnation: format!("{} {}", container.id, container.pid),
        engine: engine.clone(),
        agent: path.to_owned(),
        talk: Arc::new(Mutex::new(talk)),
        aside: Arc::new(OnceCell::new()),
    };
    match node.call(Op::Hash { paths: vec![path.to_owned()] }).await? {
        Outcome::Hashes(hashes) if hashes.get(path).map(String::as_str) == Some(hash) => Ok(node),
        _ => Err(TestbedError::new(STAGE, format!("{path} on node {} is not the agent that was put there", node.name))),
    }
}

impl Node {
    /// Asks the agent; a fault is an answer.
    ///
    /// # Errors
    /// `TestbedError` when the agent can't be reached.
    pub async fn call(&self, op: Op) -> Result<Outcome, TestbedError> {
        let deadline = deadline(&op);
        self.talk.lock().await.ask(&self.name, op, deadline).await
    }

    /// Asks a second agent, so that what takes long does not hold up the others.
    ///
    /// # Errors
    /// As [`Node::call`].
    pub async fn call_aside(&self, op: Op) -> Result<Outcome, TestbedError> {
        let begin = || async { AgentConnection::begin(&self.engine, &self.name, &self.agent).await.map(Mutex::new) };
        let deadline = deadline(&op);
        self.aside.get_or_try_init(begin).await?.lock().await.ask(&self.name, op, deadline).await
    }

    /// A talk of one's own with an agent of one's own: what it opens is nobody else's, and what takes long holds up nobody.
    ///
    /// # Errors
    /// `TestbedError` when the agent can't be reached.
    pub async fn session(&self) -> Result<Session, TestbedError> {
        Session::begin(&self.engine, &self.name, &self.agent).await
    }

    /// The engine that the node is a container of.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Asks for something to be done on the node.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, with why it could not be.
    pub async fn must_do(&self, stage: &str, op: Op) -> Result<(), TestbedError> {
        match self.call(op).await? {
            Outcome::Done => Ok(()),
            Outcome::Fault(fault) => {
                Err(TestbedError::new(stage, format!("node {}: {}: {}", self.name, fault.doing, fault.cause)))
            }
            other => Err(TestbedError::new(stage, format!("node {}: unexpected answer {other:?}", self.name))),
        }
    }

    /// The text of a small file; none when there is none.
    ///
    /// # Errors
    /// `TestbedError` when the agent can't be reached.
    pub async fn read(&self, path: &str) -> Result<Option<String>, TestbedError> {
        match self.call(Op::Read { path: path.to_owned() }).await? {
            Outcome::File { text, .. } => Ok(text),
            Outcome::Fault(fault) if fault.gone => Ok(None),
            other => Err(self.odd(&format!("read {path}"), &other)),
        }
    }

    /// The names in a folder; none when there is none.
    ///
    /// # Errors
    /// `TestbedError` when the agent can't be reached.
    pub async fn list(&self, path: &str) -> Result<Option<Vec<String>>, TestbedError> {
        match self.call(Op::Read { path: path.to_owned() }).await? {
            Outcome::File { names, .. } => Ok(names),
            Outcome::Fault(fault) if fault.gone => Ok(None),
            other => Err(self.odd(&format!("list {path}"), &other)),
        }
    }

    /// Runs a program on the node.
    ///
    /// # Errors
    /// `TestbedError` when it can't be started, or the agent can't be reached.
    pub async fn ran(&self, argv: &[&str]) -> Result<Ran, TestbedError> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let doing = argv.join(" ");
        match self.call(Op::Exec { target: Target::Node, argv, deadline_ms: RUN_MS }).await? {
            Outcome::Ran { code, stdout, stderr } => Ok(Ran { code, stdout, stderr }),
            other => Err(self.odd(&doing, &other)),
        }
    }

    /// Runs a program on the node and wants exit code 0.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, with what it said.
    pub async fn must(&self, stage: &str, argv: &[&str]) -> Result<Ran, TestbedError> {
        let ran = self.ran(argv).await?;
        if ran.code == Some(0) {
            return Ok(ran);
        }
        let (line, said) = (argv.join(" "), ran.stderr.trim());
        Err(TestbedError::new(stage, format!("node {}: `{line}` ended with {:?}: {said}", self.name, ran.code)))
    }

    /// Runs a program on the node by the engine, with standard input from memory: for what is too large for the agent.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, with what it said.
    pub async fn feed(&self, stage: &str, argv: &[&str], stdin: &Path, deadline: Duration) -> Result<(), TestbedError> {
        self.engine.exec_ok(stage, &self.name, argv, Some(stdin), deadline).await.map(drop)
    }

    /// Writes files there, each beside its place, and renames it.
    ///
    /// # Errors
    /// `TestbedError` when the engine refuses.
    pub async fn write_files(&self, files: Vec<File>) -> Result<(), TestbedError> {
        write_files(&self.engine, &self.name, files).await
    }

    fn odd(&self, doing: &str, outcome: &Outcome) -> TestbedError {
        let words = match outcome {
            Outcome::Fault(fault) => format!("{}: {}", fault.doing, fault.cause),
            other => format!("unexpected answer {other:?}"),
        };
        TestbedError::new(STAGE, format!("node {}: {doing}: {words}", self.name))
    }
}

fn deadline(op: &Op) -> Duration {
    let own = match op {
        Op::Exec { deadline_ms, .. } | Op::AwaitSandboxRemoval { deadline_ms, .. } => {
            Duration::from_millis(*deadline_ms)
        }
        _ => Duration::ZERO,
    };
    own + MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_counted_as_kind_names_them() {
        assert_eq!(number("plumbline-three-nodes-0a-worker"), Some(1));
        assert_eq!(number("plumbline-three-nodes-0a-worker12"), Some(12));
        assert_eq!(number("plumbline-three-nodes-0a-control-plane"), None);
    }

    #[test]
    fn control_planes_come_after_the_workers() {
        let mut names = ["x-control-plane", "x-worker2", "x-worker", "x-worker10"];
        names.sort_by_key(|name| order(name));
        assert_eq!(names, ["x-worker", "x-worker2", "x-worker10", "x-control-plane"]);
    }
}
