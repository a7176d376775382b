//! An agent that is a child of this process.

use super::client::{Client, Unanswered};
use plumbline_bed::broken::Broken;
use plumbline_bed::exec::Session;
use plumbline_core::protocol::{Op, Outcome};
use std::time::Duration;

/// How long an agent may take to leave once its input is closed: its kernel objects go with it, and nothing is awaited.
const LEAVING: Duration = Duration::from_secs(5);

/// How many of its last lines on standard error are told when it ended by itself.
const LAST_LINES: usize = 5;

/// An agent started here. Dropping it ends it, and with it everything it made.
pub struct LocalAgent {
    session: Option<Session>,
    client: Option<Client>,
}

impl LocalAgent {
    /// Starts an agent.
    ///
    /// # Errors
    /// [`Broken`] with the command line when it can't be started.
    pub fn start(argv: &[String]) -> Result<Self, Broken> {
        let mut session = Session::start(argv, &[]).map_err(|error| error.broken("start the agent"))?;
        let streams = session.streams().ok_or_else(|| Broken::new("start the agent", "its streams are not there"))?;
        let (input, output) = streams;
        Ok(Self { session: Some(session), client: Some(Client::new(output, input)) })
    }

    /// Its process id on the host, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.session.as_ref().and_then(Session::pid)
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
    pub async fn broken(&mut self, stage: &str, unanswered: Unanswered) -> Broken {
        if unanswered != Unanswered::Ended {
            return Broken::new(stage, unanswered.to_string());
        }
        let (code, said) = self.end().await;
        let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
        let lines: Vec<&str> = said.lines().rev().take(LAST_LINES).collect();
        let words = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
        let words = if words.is_empty() { "it said nothing".to_owned() } else { words };
        Broken::new(stage, format!("{unanswered}: it ended {code}: {words}"))
    }

    /// Hangs up and awaits its end. Gives its exit code, where it had one, and what it said on standard error.
    pub async fn end(&mut self) -> (Option<i32>, String) {
        // The client holds the agent's standard input; closing it is the sign to leave.
        self.client = None;
        match self.session.take() {
            Some(session) => session.end(LEAVING).await,
            None => (None, String::new()),
        }
    }

    /// Ends an agent that was told to stay.
    pub async fn kill(&mut self) {
        self.client = None;
        if let Some(session) = self.session.take() {
            session.end(Duration::ZERO).await;
        }
    }

    /// Lets it run on after this process ended (`--keep`); it must have been told to stay by then.
    pub fn leave(mut self) {
        // Both would end the agent when dropped, and there is nothing else to them.
        std::mem::forget(self.session.take());
        std::mem::forget(self.client.take());
    }
}
