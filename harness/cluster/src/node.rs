//! A node of a cluster: its container, and the agent in it, which one long-lived exec session serves for the whole run.

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

/// The label with which kind marks the containers of a cluster.
pub const KIND_LABEL: &str = "io.x-k8s.kind.cluster";
/// The engine's network for the nodes. It belongs to Plumbline, so it can be removed with the last node.
pub const NETWORK: &str = "plumbline";
const STAGE: &str = "node";
/// Deadline of a program run on a node, in milliseconds.
const RUN_MS: u64 = 30_000;

/// A node.
#[derive(Clone)]
pub struct Node {
    /// Its name, in kind, in the engine and in Kubernetes.
    pub name: String,
    /// Container id and process id of its first process; different after every restart.
    pub incarnation: String,
    engine: Engine,
    agent: String,
    connection: Arc<Mutex<AgentConnection>>,
    /// A second agent for long operations, started at the first one.
    aside: Arc<OnceCell<Mutex<AgentConnection>>>,
}

/// A part of the name of kind's workers that control planes do not have.
const WORKER: &str = "-worker";

/// The nodes in the order of a scenario's nodes: the workers in kind's order, then the others. Pods have `spec.nodeName`, so
/// the scheduler, and with it the taint of a control plane, has no effect.
pub fn in_scenario_order(nodes: &[Node]) -> Vec<&Node> {
    let mut ordered: Vec<&Node> = nodes.iter().collect();
    ordered.sort_by_key(|node| sort_key(&node.name));
    ordered
}

/// Sorts workers by their number, before all other nodes.
fn sort_key(name: &str) -> (bool, Option<u32>) {
    let number = worker_number(name);
    (number.is_none(), number)
}

/// The number of a worker: kind names the first `NAME-worker`, the second `NAME-worker2`.
fn worker_number(name: &str) -> Option<u32> {
    match &name[name.rfind(WORKER)? + WORKER.len()..] {
        "" => Some(1),
        number => number.parse().ok(),
    }
}

/// The outcome of a program on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Exit code; none when a signal or the deadline ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The containers of a cluster, sorted by name.
///
/// # Errors
/// `TestbedError` when the engine does not answer.
pub async fn list_containers(engine: &Engine, cluster: &str) -> Result<Vec<Container>, TestbedError> {
    engine.containers(&[format!("{KIND_LABEL}={cluster}")]).await
}

/// Creates the nodes' network if it does not exist.
///
/// # Errors
/// `TestbedError` when the engine refuses, or when another program's network has that name.
pub async fn ensure_network(engine: &Engine) -> Result<(), TestbedError> {
    match engine.network(NETWORK).await? {
        Some(found) if found.labels.get(OWNER_LABEL).map(String::as_str) == Some(OWNER) => Ok(()),
        Some(_) => {
            Err(TestbedError::new(STAGE, format!("the engine has a network {NETWORK} that Plumbline did not create"))
                .with_hint(format!("rename it, or remove it: docker network rm {NETWORK}")))
        }
        None => engine.make_network(&NetworkPlan { name: NETWORK.to_owned(), ..NetworkPlan::default() }).await,
    }
}

/// Starts an agent on every node; `agent` is its binary on this host.
///
/// # Errors
/// `TestbedError` with the node's name.
pub async fn connect_agents(
    engine: &Engine,
    containers: &[Container],
    agent: &Path,
) -> Result<Vec<Node>, TestbedError> {
    let (file, hash) = agent_file(agent)?;
    try_join_all(containers.iter().map(|container| connect_agent(engine, container, &file.path, &file.bytes, &hash)))
        .await
}

/// The agent's file in a container, with its SHA-256; `agent` is its binary on this host.
///
/// # Errors
/// `TestbedError` when it can't be read.
pub fn agent_file(agent: &Path) -> Result<(File, String), TestbedError> {
    let bytes = std::fs::read(agent).at_stage(&format!("read {}", agent.display()))?;
    let hash = crate::naming::full_hash(&bytes);
    // The name contains the hash, so an existing file has the right content, and a running one is never overwritten.
    let path = format!("{NODE_FOLDER}/agent-{}", &hash[..16]);
    Ok((File { path, mode: 0o755, bytes }, hash))
}

async fn connect_agent(
    engine: &Engine,
    container: &Container,
    path: &str,
    bytes: &[u8],
    hash: &str,
) -> Result<Node, TestbedError> {
    let connection = match AgentConnection::start(engine, &container.name, path).await {
        Ok(connection) => connection,
        // The second attempt, after the agent was written, reports any remaining fault.
        Err(_) => {
            let file = File { path: path.to_owned(), mode: 0o755, bytes: bytes.to_vec() };
            write_files(engine, &container.name, vec![file]).await?;
            AgentConnection::start(engine, &container.name, path).await?
        }
    };
    let node = Node {
        name: container.name.clone(),
        incarnation: format!("{} {}", container.id, container.pid),
        engine: engine.clone(),
        agent: path.to_owned(),
        connection: Arc::new(Mutex::new(connection)),
        aside: Arc::new(OnceCell::new()),
    };
    match node.call(Op::Hash { paths: vec![path.to_owned()] }).await? {
        Outcome::Hashes(hashes) if hashes.get(path).map(String::as_str) == Some(hash) => Ok(node),
        _ => Err(TestbedError::new(
            STAGE,
            format!("{path} on node {} is not the agent that was written there", node.name),
        )),
    }
}

impl Node {
    /// The path of its agent, with a hash of the content.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Sends an operation to the agent. A fault counts as an answer.
    ///
    /// # Errors
    /// `TestbedError` when the agent can't be reached.
    pub async fn call(&self, op: Op) -> Result<Outcome, TestbedError> {
        let deadline = deadline(&op);
        self.connection.lock().await.call(&self.name, op, deadline).await
    }

    /// Sends a long operation to a second agent, so that it does not delay other operations.
    ///
    /// # Errors
    /// As [`Node::call`].
    pub async fn call_aside(&self, op: Op) -> Result<Outcome, TestbedError> {
        let start = || async { AgentConnection::start(&self.engine, &self.name, &self.agent).await.map(Mutex::new) };
        let deadline = deadline(&op);
        self.aside.get_or_try_init(start).await?.lock().await.call(&self.name, op, deadline).await
    }

    /// Starts a private session with another agent. Its sockets belong only to this session, and its operations delay no other.
    ///
    /// # Errors
    /// `TestbedError` when the agent can't be reached.
    pub async fn session(&self) -> Result<Session, TestbedError> {
        Session::start(&self.engine, &self.name, &self.agent).await
    }

    /// The engine that runs the node as a container.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sends an operation that has no result.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, with the agent's fault.
    pub async fn must_do(&self, stage: &str, op: Op) -> Result<(), TestbedError> {
        match self.call(op).await? {
            Outcome::Done => Ok(()),
            Outcome::Fault(fault) => {
                Err(TestbedError::new(stage, format!("node {}: {}: {}", self.name, fault.doing, fault.cause)))
            }
            other => Err(TestbedError::new(stage, format!("node {}: unexpected answer {other:?}", self.name))),
        }
    }

    /// The text of a small file; none if it does not exist.
    ///
    /// # Errors
    /// `TestbedError` when the agent can't be reached.
    pub async fn read(&self, path: &str) -> Result<Option<String>, TestbedError> {
        match self.call(Op::Read { path: path.to_owned() }).await? {
            Outcome::File { text, .. } => Ok(text),
            Outcome::Fault(fault) if fault.gone => Ok(None),
            other => Err(self.unexpected(&format!("read {path}"), &other)),
        }
    }

    /// The names in a folder; none if it does not exist.
    ///
    /// # Errors
    /// `TestbedError` when the agent can't be reached.
    pub async fn list(&self, path: &str) -> Result<Option<Vec<String>>, TestbedError> {
        match self.call(Op::Read { path: path.to_owned() }).await? {
            Outcome::File { names, .. } => Ok(names),
            Outcome::Fault(fault) if fault.gone => Ok(None),
            other => Err(self.unexpected(&format!("list {path}"), &other)),
        }
    }

    /// Runs a program on the node.
    ///
    /// # Errors
    /// `TestbedError` when it can't be started, or the agent can't be reached.
    pub async fn run(&self, argv: &[&str]) -> Result<Ran, TestbedError> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let doing = argv.join(" ");
        match self.call(Op::Exec { target: Target::Node, argv, deadline_ms: RUN_MS }).await? {
            Outcome::Ran { code, stdout, stderr } => Ok(Ran { code, stdout, stderr }),
            other => Err(self.unexpected(&doing, &other)),
        }
    }

    /// Runs a program on the node and requires exit code 0.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, with the program's standard error.
    pub async fn run_ok(&self, stage: &str, argv: &[&str]) -> Result<Ran, TestbedError> {
        let ran = self.run(argv).await?;
        if ran.code == Some(0) {
            return Ok(ran);
        }
        let (line, stderr) = (argv.join(" "), ran.stderr.trim());
        Err(TestbedError::new(stage, format!("node {}: `{line}` ended with {:?}: {stderr}", self.name, ran.code)))
    }

    /// Runs a program on the node through the engine, with standard input from a file: for input too large for the agent.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, with the program's output.
    pub async fn run_with_input(
        &self,
        stage: &str,
        argv: &[&str],
        stdin: &Path,
        deadline: Duration,
    ) -> Result<(), TestbedError> {
        self.engine.exec_ok(stage, &self.name, argv, Some(stdin), deadline).await.map(drop)
    }

    /// Writes files on the node, each beside its place, and renames them.
    ///
    /// # Errors
    /// `TestbedError` when the engine refuses.
    pub async fn write_files(&self, files: Vec<File>) -> Result<(), TestbedError> {
        write_files(&self.engine, &self.name, files).await
    }

    fn unexpected(&self, doing: &str, outcome: &Outcome) -> TestbedError {
        let answer = match outcome {
            Outcome::Fault(fault) => format!("{}: {}", fault.doing, fault.cause),
            other => format!("unexpected answer {other:?}"),
        };
        TestbedError::new(STAGE, format!("node {}: {doing}: {answer}", self.name))
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
    fn the_number_of_a_worker_comes_from_kinds_name() {
        assert_eq!(worker_number("plumbline-three-nodes-0a-worker"), Some(1));
        assert_eq!(worker_number("plumbline-three-nodes-0a-worker12"), Some(12));
        assert_eq!(worker_number("plumbline-three-nodes-0a-control-plane"), None);
    }

    #[test]
    fn control_planes_are_sorted_after_the_workers() {
        let mut names = ["x-control-plane", "x-worker2", "x-worker", "x-worker10"];
        names.sort_by_key(|name| sort_key(name));
        assert_eq!(names, ["x-worker", "x-worker2", "x-worker10", "x-control-plane"]);
    }
}
