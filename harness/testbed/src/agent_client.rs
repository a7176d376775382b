//! Requests to the agent, with one reply each, over any pair of streams.

use crate::wait::within;
use plumbline_core::protocol::{Fault, Op, Outcome, Reply, Request};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The size of a read: a reply of the usual size fits into one.
const READ_BYTES: usize = 64 * 1024;

/// The reason why a request has no usable reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The agent could not do the operation.
    #[error("{}: {}", .0.doing, .0.cause)]
    Fault(Fault),
    /// The agent's end of the streams is closed.
    #[error("the agent ended before it answered")]
    Ended,
    /// The deadline passed; no further request is possible.
    #[error("the agent did not answer within {:.1} s", .0.as_secs_f64())]
    Late(Duration),
    /// The text is no reply to the request.
    #[error("the agent's answer can't be used: {0}")]
    Garbled(String),
}

/// The lane's end of the connection. There is one request at a time: the agent has one thread.
pub struct Client {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Text that was read but not yet used. The next request may need it after a late reply.
    buffer: Vec<u8>,
    /// The number of the last request.
    last: u64,
    /// Set while a request is written. If it stays set, a partial line was written, and no further request is possible.
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

    /// Sends a request and waits for its reply, at most for `deadline`.
    ///
    /// # Errors
    /// [`Unanswered`]; after any error except a fault no further request is possible.
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
            // An agent that cannot start sends a fault and ends. The stream may still contain this fault.
            return Err(self.read_last_fault().await);
        }
        self.torn = false;
        loop {
            let Some(reply) = self.next_reply().await? else { return Err(Unanswered::Ended) };
            match reply {
                Reply { outcome: Outcome::Fault(fault), id } if id == self.last || id == 0 => {
                    return Err(Unanswered::Fault(fault));
                }
                Reply { outcome, id } if id == self.last => return Ok(outcome),
                // The late reply to an earlier request.
                Reply { id, .. } if id < self.last => {}
                Reply { id, .. } => return Err(Unanswered::Garbled(format!("reply {id} to request {}", self.last))),
            }
        }
    }

    async fn read_last_fault(&mut self) -> Unanswered {
        while let Ok(Some(reply)) = self.next_reply().await {
            if let Outcome::Fault(fault) = reply.outcome {
                return Unanswered::Fault(fault);
            }
        }
        Unanswered::Ended
    }

    /// The next reply; none at the end of the stream.
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
    async fn the_reply_to_an_earlier_request_is_skipped() {
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
    async fn an_ended_agent_and_a_late_reply_cause_different_errors() {
        let (mut client, out, input) = pair();
        drop((out, input));
        assert_eq!(client.ask(Op::Hello, SOON).await, Err(Unanswered::Ended));

        let (mut client, _out, _input) = pair();
        let short = Duration::from_millis(10);
        assert_eq!(client.ask(Op::Hello, short).await, Err(Unanswered::Late(short)));
        assert_eq!(client.ask(Op::Hello, SOON).await, Err(Unanswered::Ended));
    }

    #[tokio::test]
    async fn the_fault_of_an_agent_that_cannot_start_is_the_error() {
        let (mut client, mut out, input) = pair();
        let fault = Fault { doing: "make a private node".into(), cause: "not root".into(), gone: false };
        out.write_all(&reply(0, Outcome::Fault(fault.clone()))).await.unwrap();
        drop((out, input));
        assert_eq!(client.ask(Op::Hello, SOON).await, Err(Unanswered::Fault(fault)));
    }
}
