//! An agent with its own node: a child of this process, or one in a virtual machine that is reached over streams.

use futures::future::BoxFuture;
use plumbline_core::protocol::{Op, Outcome};
use plumbline_testbed::agent_client::{Client, Unanswered};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::exec::Session;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Time for an agent to end after its input was closed. The kernel then removes everything that it made.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// How many of its last lines on standard error an error shows.
const LAST_LINES: usize = 5;

/// An agent that is not a child of this process. It ends when its streams are closed.
pub trait RemoteAgent: Send {
    /// Waits for its end. Gives its exit code, if known, and its last lines on standard error.
    fn end(self: Box<Self>) -> BoxFuture<'static, (Option<i32>, String)>;
}

/// Where an agent runs.
enum Process {
    /// A child of this process.
    Child(Box<Session>),
    /// In a virtual machine.
    Remote(Box<dyn RemoteAgent>),
}

/// An agent that makes a node. Dropping it ends the agent and removes everything that it made.
pub struct NodeAgent {
    process: Option<Process>,
    client: Option<Client>,
}

impl NodeAgent {
    /// Starts an agent.
    ///
    /// # Errors
    /// [`TestbedError`] with the command line when it can't be started.
    pub fn start(argv: &[String]) -> Result<Self, TestbedError> {
        let mut session = Session::start(argv, &[]).map_err(|error| error.testbed_error("start the agent"))?;
        let streams =
            session.streams().ok_or_else(|| TestbedError::new("start the agent", "its streams are not there"))?;
        let (input, output) = streams;
        Ok(Self { process: Some(Process::Child(Box::new(session))), client: Some(Client::new(output, input)) })
    }

    /// An agent that runs elsewhere: its output, its input, and what reports its end.
    pub fn remote(
        output: impl AsyncRead + Send + Unpin + 'static,
        input: impl AsyncWrite + Send + Unpin + 'static,
        process: Box<dyn RemoteAgent>,
    ) -> Self {
        Self { process: Some(Process::Remote(process)), client: Some(Client::new(output, input)) }
    }

    /// Its process id on the host, while it runs; none for a remote one.
    pub fn pid(&self) -> Option<u32> {
        match &self.process {
            Some(Process::Child(session)) => session.pid(),
            _ => None,
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn call(&mut self, op: Op, deadline: Duration) -> Result<Outcome, Unanswered> {
        match &mut self.client {
            Some(client) => client.ask(op, deadline).await,
            None => Err(Unanswered::Ended),
        }
    }

    /// Converts a call's error into the testbed's. If the agent ended, adds its last lines on standard error.
    pub async fn testbed_error(&mut self, stage: &str, error: Unanswered) -> TestbedError {
        if error != Unanswered::Ended {
            return TestbedError::new(stage, error.to_string());
        }
        let (code, stderr) = self.end().await;
        let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
        let lines: Vec<&str> = stderr.lines().rev().take(LAST_LINES).collect();
        let tail = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
        let tail = if tail.is_empty() { "its standard error is empty".to_owned() } else { tail };
        TestbedError::new(stage, format!("{error}: it ended {code}: {tail}"))
    }

    /// Closes its input and waits for its end. Gives its exit code, if it has one, and its standard error.
    pub async fn end(&mut self) -> (Option<i32>, String) {
        self.end_within(END_TIMEOUT).await
    }

    /// Ends an agent that was made to stay.
    pub async fn kill(&mut self) {
        self.end_within(Duration::ZERO).await;
    }

    async fn end_within(&mut self, grace: Duration) -> (Option<i32>, String) {
        // The client holds the agent's standard input; closing it ends the agent.
        self.client = None;
        match self.process.take() {
            Some(Process::Child(session)) => session.end(grace).await,
            Some(Process::Remote(process)) => process.end().await,
            None => (None, String::new()),
        }
    }

    /// Lets the agent run on after this process ended (`--keep`). Call [`NodeAgent::stay`] before.
    pub fn detach(mut self) {
        // Dropping either of them would end the agent.
        std::mem::forget(self.process.take());
        std::mem::forget(self.client.take());
    }
}
