//! Sessions with agents in containers. Each uses one long-lived exec session of the engine.

use plumbline_core::protocol::{Op, Outcome, PROTOCOL_VERSION};
use plumbline_testbed::agent_client::{Client, Unanswered};
use plumbline_testbed::engine::{Engine, ExecSession};
use plumbline_testbed::error::TestbedError;
use std::time::Duration;
use tokio::sync::Mutex;

const STAGE: &str = "node";
/// The time for an answer, in addition to an operation's own deadline.
pub(crate) const MARGIN: Duration = Duration::from_secs(30);

/// A connection to an agent in a container. The agent ends when this is dropped.
pub(crate) struct AgentConnection {
    session: ExecSession,
    client: Client,
}

impl AgentConnection {
    pub async fn start(engine: &Engine, container: &str, path: &str) -> Result<Self, TestbedError> {
        let mut session = engine.session(container, &[path, "serve"]).await?;
        let (input, output) = session
            .streams()
            .ok_or_else(|| TestbedError::new(STAGE, format!("the agent on {container} has no streams")))?;
        let mut connection = Self { session, client: Client::new(output, input) };
        match connection.call(container, Op::Hello, MARGIN).await? {
            Outcome::Hello { protocol: PROTOCOL_VERSION, .. } => Ok(connection),
            other => Err(TestbedError::new(STAGE, format!("the agent on {container} answered {other:?}"))),
        }
    }

    /// Sends an operation. A fault counts as an answer.
    pub async fn call(&mut self, container: &str, op: Op, deadline: Duration) -> Result<Outcome, TestbedError> {
        match self.client.ask(op, deadline).await {
            Ok(outcome) => Ok(outcome),
            Err(Unanswered::Fault(fault)) => Ok(Outcome::Fault(fault)),
            Err(other) => {
                let output = self.session.said();
                let last = output.lines().last().unwrap_or("none");
                Err(TestbedError::new(STAGE, format!("agent on {container}: {other}; its last output: {last}"))
                    .with_hint("check whether the container runs: docker ps -a"))
            }
        }
    }
}

/// A session that belongs to one scenario. The agent ends when it is dropped.
pub struct Session {
    /// The container's name.
    pub container: String,
    connection: Mutex<AgentConnection>,
}

impl Session {
    /// Starts the agent at `path` in a container.
    ///
    /// # Errors
    /// `TestbedError` when it can't be started there, or has another protocol version.
    pub async fn start(engine: &Engine, container: &str, path: &str) -> Result<Self, TestbedError> {
        let connection = Mutex::new(AgentConnection::start(engine, container, path).await?);
        Ok(Self { container: container.to_owned(), connection })
    }

    /// Sends an operation. A fault is an error.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, also for a fault that the agent reports.
    pub async fn call(&self, stage: &str, op: Op, deadline: Duration) -> Result<Outcome, TestbedError> {
        match self.connection.lock().await.call(&self.container, op, deadline).await? {
            Outcome::Fault(fault) => {
                Err(TestbedError::new(stage, format!("{}: {}: {}", self.container, fault.doing, fault.cause)))
            }
            outcome => Ok(outcome),
        }
    }

    /// Sends an operation that has no result.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, also for an unexpected answer.
    pub async fn must_do(&self, stage: &str, op: Op) -> Result<(), TestbedError> {
        match self.call(stage, op, MARGIN).await? {
            Outcome::Done => Ok(()),
            other => Err(TestbedError::new(stage, format!("{}: unexpected answer {other:?}", self.container))),
        }
    }
}
