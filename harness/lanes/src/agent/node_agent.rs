//! An agent with a node of its own: a child of this process, or one that is reached over streams from elsewhere.

use futures::future::BoxFuture;
use plumbline_core::protocol::{Op, Outcome};
use plumbline_testbed::agent_client::{Client, Unanswered};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::exec::Session;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long an agent may take to leave once its input is closed: its kernel objects go with it, and nothing is awaited.
const LEAVING: Duration = Duration::from_secs(5);

/// How many of its last lines on standard error are told when it ended by itself.
const LAST_LINES: usize = 5;

/// What runs an agent that is not a child of this process. Hanging up is its sign to leave; it is told after that.
pub trait Elsewhere: Send {
    /// How it ended, as far as that was heard: its exit code, and its last words.
    fn end(self: Box<Self>) -> BoxFuture<'static, (Option<i32>, String)>;
}

/// Where an agent runs.
enum Home {
    /// Here.
    Child(Box<Session>),
    /// Elsewhere.
    Elsewhere(Box<dyn Elsewhere>),
}

/// An agent that makes a node. Dropping it ends it, and with it everything it made.
pub struct LocalAgent {
    home: Option<Home>,
    client: Option<Client>,
}

impl LocalAgent {
    /// Starts an agent.
    ///
    /// # Errors
    /// [`TestbedError`] with the command line when it can't be started.
    pub fn start(argv: &[String]) -> Result<Self, TestbedError> {
        let mut session = Session::start(argv, &[]).map_err(|error| error.testbed_error("start the agent"))?;
        let streams =
            session.streams().ok_or_else(|| TestbedError::new("start the agent", "its streams are not there"))?;
        let (input, output) = streams;
        Ok(Self { home: Some(Home::Child(Box::new(session))), client: Some(Client::new(output, input)) })
    }

    /// An agent that somebody else has started: what it writes, what it reads, and who knows of its end.
    pub fn elsewhere(
        output: impl AsyncRead + Send + Unpin + 'static,
        input: impl AsyncWrite + Send + Unpin + 'static,
        home: Box<dyn Elsewhere>,
    ) -> Self {
        Self { home: Some(Home::Elsewhere(home)), client: Some(Client::new(output, input)) }
    }

    /// Its process id on the host, while it runs; none of one that runs elsewhere.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match &self.home {
            Some(Home::Child(session)) => session.pid(),
            _ => None,
        }
    }

    /// Asks a question.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn ask(&mut self, op: Op, deadline: Duration) -> Result<Outcome, Unanswered> {
        match &mut self.client {
            Some(client) => client.ask(op, deadline).await,
            None => Err(Unanswered::Ended),
        }
    }

    /// The fault of an unanswered question as the bed's own, with the agent's last words where it ended.
    pub async fn testbed_error(&mut self, stage: &str, unanswered: Unanswered) -> TestbedError {
        if unanswered != Unanswered::Ended {
            return TestbedError::new(stage, unanswered.to_string());
        }
        let (code, said) = self.end().await;
        let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
        let lines: Vec<&str> = said.lines().rev().take(LAST_LINES).collect();
        let words = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
        let words = if words.is_empty() { "it said nothing".to_owned() } else { words };
        TestbedError::new(stage, format!("{unanswered}: it ended {code}: {words}"))
    }

    /// Hangs up and awaits its end. Gives its exit code, where it had one, and what it said on standard error.
    pub async fn end(&mut self) -> (Option<i32>, String) {
        self.end_within(LEAVING).await
    }

    /// Ends an agent that was told to stay.
    pub async fn kill(&mut self) {
        self.end_within(Duration::ZERO).await;
    }

    async fn end_within(&mut self, grace: Duration) -> (Option<i32>, String) {
        // The client holds the agent's standard input; closing it is the sign to leave.
        self.client = None;
        match self.home.take() {
            Some(Home::Child(session)) => session.end(grace).await,
            Some(Home::Elsewhere(home)) => home.end().await,
            None => (None, String::new()),
        }
    }

    /// Lets it run on after this process ended (`--keep`); it must have been told to stay by then.
    pub fn leave(mut self) {
        // Both would end the agent when dropped, and there is nothing else to them.
        std::mem::forget(self.home.take());
        std::mem::forget(self.client.take());
    }
}
