//! One question, one answer, over any pair of streams.

use crate::wait::within;
use plumbline_core::protocol::{Fault, Op, Outcome, Reply, Request};
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Room for a whole answer of the usual size, so that it comes in one read.
const READ_BYTES: usize = 64 * 1024;

/// Why a question got no answer of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The agent could not do it, and said why.
    Fault(Fault),
    /// The agent's end of the streams is closed.
    Ended,
    /// The deadline was over first; the talk can't go on.
    Late(Duration),
    /// What came is no answer to what was asked.
    Garbled(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "{}: {}", fault.doing, fault.cause),
            Self::Ended => f.write_str("the agent ended before it answered"),
            Self::Late(after) => write!(f, "the agent did not answer within {:.1} s", after.as_secs_f64()),
            Self::Garbled(text) => write!(f, "the agent's answer can't be used: {text}"),
        }
    }
}

/// The lane's end of the talk. Questions are asked one at a time: the agent has one thread.
pub struct Client {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// What was read and not used yet, so that a question given up on loses nothing.
    buffer: Vec<u8>,
    /// The number of the last question.
    last: u64,
    /// Set while a question is being written; if it stays set, half a line is out and the talk is over.
    torn: bool,
}

impl Client {
    /// A client that reads the agent's standard output and writes its standard input.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Self { reader: Box::new(reader), writer: Box::new(writer), buffer: Vec::new(), last: 0, torn: false }
    }

    /// Asks, and awaits the answer at most as long as `deadline`.
    ///
    /// # Errors
    /// [`Unanswered`]; after anything but a fault the talk is over.
    pub async fn ask(&mut self, op: Op, deadline: Duration) -> Result<Outcome, Unanswered> {
        if self.torn {
            return Err(Unanswered::Ended);
        }
        self.last += 1;
        let request = Request { id: self.last, op };
        let mut line = serde_json::to_vec(&request).map_err(|error| Unanswered::Garbled(error.to_string()))?;
        line.push(b'\n');
        match within(deadline, self.exchange(&line)).await {
            Some(answer) => answer,
            None => {
                self.torn = true;
                Err(Unanswered::Late(deadline))
            }
        }
    }

    async fn exchange(&mut self, line: &[u8]) -> Result<Outcome, Unanswered> {
        self.torn = true;
        let written = async {
            self.writer.write_all(line).await?;
            self.writer.flush().await
        };
        if written.await.is_err() {
            // An agent that could not begin says why and leaves: its last words may still be there.
            return Err(self.last_words().await);
        }
        self.torn = false;
        loop {
            let Some(reply) = self.next_reply().await? else { return Err(Unanswered::Ended) };
            match reply {
                Reply { outcome: Outcome::Fault(fault), id } if id == self.last || id == 0 => {
                    return Err(Unanswered::Fault(fault));
                }
                Reply { outcome, id } if id == self.last => return Ok(outcome),
                // The answer to a question that was given up on.
                Reply { id, .. } if id < self.last => {}
                Reply { id, .. } => return Err(Unanswered::Garbled(format!("answer {id} to question {}", self.last))),
            }
        }
    }

    async fn last_words(&mut self) -> Unanswered {
        while let Ok(Some(reply)) = self.next_reply().await {
            if let Outcome::Fault(fault) = reply.outcome {
                return Unanswered::Fault(fault);
            }
        }
        Unanswered::Ended
    }

    /// The next answer; none at the end of the stream.
    async fn next_reply(&mut self) -> Result<Option<Reply>, Unanswered> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let garbled = |error: serde_json::Error| {
                    let text = String::from_utf8_lossy(&line);
                    Unanswered::Garbled(format!("{error}: {}", text.chars().take(200).collect::<String>()))
                };
                return serde_json::from_slice(&line).map(Some).map_err(garbled);
            }
            self.buffer.reserve(READ_BYTES);
            match self.reader.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, duplex};

    const SOON: Duration = Duration::from_secs(5);

    fn pair() -> (Client, DuplexStream, DuplexStream) {
        let (their_out, our_in) = duplex(4096);
        let (our_out, their_in) = duplex(4096);
        (Client::new(our_in, our_out), their_out, their_in)
    }

    fn reply(id: u64, outcome: Outcome) -> Vec<u8> {
        let mut line = serde_json::to_vec(&Reply { id, outcome }).unwrap();
        line.push(b'\n');
        line
    }

    #[tokio::test]
    async fn an_old_answer_is_skipped_and_a_new_one_taken() {
        let (mut client, mut out, input) = pair();
        let agent = async move {
            let mut lines = BufReader::new(input).lines();
            let asked: Request = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
            out.write_all(&reply(0, Outcome::Done)).await.unwrap();
            out.write_all(&reply(asked.id, Outcome::Done)).await.unwrap();
            (out, lines)
        };
        let (answer, _open) = tokio::join!(client.ask(Op::Hello, SOON), agent);
        assert_eq!(answer, Ok(Outcome::Done));
    }

    #[tokio::test]
    async fn an_agent_that_leaves_is_told_from_one_that_is_late() {
        let (mut client, out, input) = pair();
        drop((out, input));
        assert_eq!(client.ask(Op::Hello, SOON).await, Err(Unanswered::Ended));

        let (mut client, _out, _input) = pair();
        let short = Duration::from_millis(10);
        assert_eq!(client.ask(Op::Hello, short).await, Err(Unanswered::Late(short)));
        assert_eq!(client.ask(Op::Hello, SOON).await, Err(Unanswered::Ended));
    }

    #[tokio::test]
    async fn the_last_words_of_an_agent_that_could_not_begin_are_heard() {
        let (mut client, mut out, input) = pair();
        let fault = Fault { doing: "make a private node".into(), cause: "not root".into(), gone: false };
        out.write_all(&reply(0, Outcome::Fault(fault.clone()))).await.unwrap();
        drop((out, input));
        assert_eq!(client.ask(Op::Hello, SOON).await, Err(Unanswered::Fault(fault)));
    }
}
