//! Talks with agents in containers, each by one long-lived exec session of the engine.

use plumbline_core::protocol::{Op, Outcome, PROTOCOL_VERSION};
use plumbline_testbed::agent_client::{Client, Unanswered};
use plumbline_testbed::engine::{Engine, ExecSession};
use plumbline_testbed::error::TestbedError;
use std::time::Duration;
use tokio::sync::Mutex;

const STAGE: &str = "node";
/// Beyond an operation's own deadline.
pub(crate) const MARGIN: Duration = Duration::from_secs(30);

/// An agent that serves in a container, until this is dropped.
pub(crate) struct AgentConnection {
    session: ExecSession,
    client: Client,
}

impl AgentConnection {
    pub async fn begin(engine: &Engine, container: &str, path: &str) -> Result<Self, TestbedError> {
        let mut session = engine.session(container, &[path, "serve"]).await?;
        let (input, output) = session
            .streams()
            .ok_or_else(|| TestbedError::new(STAGE, format!("the agent on {container} has no streams")))?;
        let mut talk = Self { session, client: Client::new(output, input) };
        match talk.ask(container, Op::Hello, MARGIN).await? {
            Outcome::Hello { protocol: PROTOCOL_VERSION, .. } => Ok(talk),
            other => Err(TestbedError::new(STAGE, format!("the agent on {container} answered {other:?}"))),
        }
    }

    /// Asks; a fault is an answer here.
    pub async fn ask(&mut self, container: &str, op: Op, deadline: Duration) -> Result<Outcome, TestbedError> {
        match self.client.ask(op, deadline).await {
            Ok(outcome) => Ok(outcome),
            Err(Unanswered::Fault(fault)) => Ok(Outcome::Fault(fault)),
            Err(other) => {
                let said = self.session.said();
                let last = said.lines().last().unwrap_or("nothing");
                Err(TestbedError::new(STAGE, format!("agent on {container}: {other}; it said: {last}"))
                    .with_hint("see whether the container runs: docker ps -a"))
            }
        }
    }
}

/// A talk that belongs to one scenario. The agent ends when it is dropped.
pub struct Session {
    /// The container's name.
    pub container: String,
    talk: Mutex<AgentConnection>,
}

impl Session {
    /// Starts the agent that is at `path` in a container.
    ///
    /// # Errors
    /// `TestbedError` when it can't be started there, or speaks another protocol.
    pub async fn begin(engine: &Engine, container: &str, path: &str) -> Result<Self, TestbedError> {
        let talk = Mutex::new(AgentConnection::begin(engine, container, path).await?);
        Ok(Self { container: container.to_owned(), talk })
    }

    /// Asks, and wants no fault.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, also for a fault that the agent tells.
    pub async fn ask(&self, stage: &str, op: Op, deadline: Duration) -> Result<Outcome, TestbedError> {
        match self.talk.lock().await.ask(&self.container, op, deadline).await? {
            Outcome::Fault(fault) => {
                Err(TestbedError::new(stage, format!("{}: {}: {}", self.container, fault.doing, fault.cause)))
            }
            outcome => Ok(outcome),
        }
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// `TestbedError` at `stage`, also when the answer is another one.
    pub async fn done(&self, stage: &str, op: Op) -> Result<(), TestbedError> {
        match self.ask(stage, op, MARGIN).await? {
            Outcome::Done => Ok(()),
            other => Err(TestbedError::new(stage, format!("{}: unexpected answer {other:?}", self.container))),
        }
    }
}
