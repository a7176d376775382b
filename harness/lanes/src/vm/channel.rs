//! A session over a channel: its lease, its start, the streams of its agent, and its end.

use super::emulator::socket;
use super::machine::RunningMachine;
use crate::agent::{NodeAgent, RemoteAgent};
use futures::FutureExt;
use futures::future::BoxFuture;
use plumbline_core::guest::{GuestMessage, MARK, StartSession, encode_line};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::ids;
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::{Deadline, Look, until, within};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

const STAGE: &str = "begin a session in the virtual machine";
/// Interval between two searches for a free channel.
const LOOK: Duration = Duration::from_millis(20);
/// How long to wait for the end of a machine that closed its channels, to report the reason.
const ENDING: Duration = Duration::from_secs(5);
const PIECE_BYTES: usize = 64 * 1024;

/// The channels of a machine.
#[derive(Debug, Clone)]
pub struct Channels {
    /// Prefix of the names of their leases.
    pub lease: String,
    /// How many there are.
    pub count: u32,
}

impl Channels {
    /// Takes a channel that no session uses.
    ///
    /// # Errors
    /// [`TestbedError`] when none is free by the deadline.
    pub async fn take_free(&self, deadline: Deadline) -> Result<(u32, Lease), TestbedError> {
        until(STAGE, "a channel that is free", deadline, LOOK, async || {
            for number in 0..self.count {
                if let Some(lease) = Lease::try_now(&format!("{}-{number}", self.lease), Kind::Exclusive)? {
                    return Ok(Look::There((number, lease)));
                }
            }
            Ok(Look::NotYet(format!("all {} are in use", self.count)))
        })
        .await
    }
}

/// How the start of a session ended.
pub enum SessionStart {
    /// The session's agent, and the uptime of the guest's kernel in milliseconds.
    Session(NodeAgent, u64),
    /// The machine ended before it answered.
    MachineEnded,
}

/// Begins a session. The machine may still be booting.
///
/// # Errors
/// [`TestbedError`] when it does not answer by the deadline, or can't start an agent.
pub async fn begin_session(
    running: RunningMachine,
    (number, lease): (u32, Lease),
    node: &[String],
    console: PathBuf,
    deadline: Deadline,
) -> Result<SessionStart, TestbedError> {
    let Ok(stream) = UnixStream::connect(socket(&running.record.sockets, number)).await else {
        return Ok(SessionStart::MachineEnded);
    };
    let (mut reader, mut writer) = stream.into_split();
    let request = StartSession { session: ids::new_id(), arguments: node.to_vec() };
    if writer.write_all(&encode_line(&request).at_stage(STAGE)?).await.is_err() {
        return Ok(SessionStart::MachineEnded);
    }
    let answer = within(deadline.remaining(), read_first_message(&mut reader, &request.session)).await;
    let Some(answer) = answer else {
        let cause = format!("the guest did not answer on channel {number}; {}", super::machine::console_tail(&console));
        return Err(TestbedError::new(STAGE, cause).with_hint("plumbline down, then again"));
    };
    match answer {
        Err(_) => Ok(SessionStart::MachineEnded),
        Ok((GuestMessage::Ended { stderr, .. }, _)) => {
            Err(TestbedError::new(STAGE, format!("the guest failed: {stderr}")))
        }
        Ok((GuestMessage::Ready { uptime_ms, .. }, rest)) => {
            let ended = Ended::default();
            let output = Output { reader, ended: ended.clone(), held: rest, control: None, over: false };
            let session = GuestSession { ended, running, console, _lease: lease };
            Ok(SessionStart::Session(NodeAgent::remote(output, Input(writer), Box::new(session)), uptime_ms))
        }
    }
}

/// Reads up to this session's first message, and skips messages of earlier sessions in the channel. Gives the message
/// and the bytes after it.
async fn read_first_message(reader: &mut OwnedReadHalf, session: &str) -> io::Result<(GuestMessage, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        while let Some((message, rest)) = parse_message(&read) {
            let of = match &message {
                GuestMessage::Ready { session, .. } | GuestMessage::Ended { session, .. } => session,
            };
            if of == session {
                return Ok((message, rest));
            }
            read = rest;
        }
        if reader.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The first complete message of the guest, and the bytes after it.
fn parse_message(bytes: &[u8]) -> Option<(GuestMessage, Vec<u8>)> {
    let mut from = bytes;
    loop {
        let mark = from.iter().position(|byte| *byte == MARK)?;
        let end = mark + from[mark..].iter().position(|byte| *byte == b'\n')?;
        if let Ok(message) = serde_json::from_slice(&from[mark + 1..end]) {
            return Some((message, from[end + 1..].to_vec()));
        }
        from = &from[mark + 1..];
    }
}

/// The known facts about a session's end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SessionEnd {
    /// The guest's message: exit code and last lines of the agent.
    message: Option<(Option<i32>, String)>,
    /// Whether the machine's end of the channel is closed.
    hung_up: bool,
}

/// Shared by the reader and the session.
type Ended = Arc<Mutex<SessionEnd>>;

/// The agent's output. The guest's message about the agent's end ends the stream.
struct Output {
    reader: OwnedReadHalf,
    ended: Ended,
    /// Read but not passed on yet.
    held: Vec<u8>,
    /// The part of the guest's message that was read.
    control: Option<Vec<u8>>,
    over: bool,
}

impl Output {
    /// Splits the bytes read: passes the agent's bytes on, keeps the guest's message.
    fn split(&mut self, bytes: &[u8], out: &mut ReadBuf<'_>) {
        let mark = bytes.iter().position(|byte| *byte == MARK).unwrap_or(bytes.len());
        let own = mark.min(out.remaining());
        out.put_slice(&bytes[..own]);
        if own < mark || (mark < bytes.len() && own > 0) {
            // Bytes that do not fit, and the guest's message, stay for the next read.
            self.held = bytes[own..].to_vec();
            return;
        }
        let Some(word) = bytes.get(mark + 1..) else { return };
        self.control = Some(Vec::new());
        self.read_message(word);
    }

    fn read_message(&mut self, bytes: &[u8]) {
        let Some(control) = &mut self.control else { return };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        control.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if end.is_some() {
            if let Ok(GuestMessage::Ended { code, stderr, .. }) = serde_json::from_slice(control) {
                self.ended.lock().unwrap_or_else(PoisonError::into_inner).message = Some((code, stderr));
            }
            self.over = true;
        }
    }
}

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        while !self.over && out.filled().len() == before && out.remaining() > 0 {
            let bytes = if self.held.is_empty() {
                let mut piece = vec![0; PIECE_BYTES];
                let mut read = ReadBuf::new(&mut piece);
                ready!(Pin::new(&mut self.reader).poll_read(cx, &mut read))?;
                let length = read.filled().len();
                if length == 0 {
                    self.ended.lock().unwrap_or_else(PoisonError::into_inner).hung_up = true;
                    self.over = true;
                }
                piece.truncate(length);
                piece
            } else {
                std::mem::take(&mut self.held)
            };
            match self.control {
                Some(_) => self.read_message(&bytes),
                None => self.split(&bytes, out),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The agent's input. The channel closes when both halves are dropped.
struct Input(OwnedWriteHalf);

impl tokio::io::AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A session in the guest.
struct GuestSession {
    ended: Ended,
    running: RunningMachine,
    console: PathBuf,
    _lease: Lease,
}

impl RemoteAgent for GuestSession {
    fn end(self: Box<Self>) -> BoxFuture<'static, (Option<i32>, String)> {
        let end = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move {
            if let Some(message) = end.message {
                return message;
            }
            // A machine that closed the channel is about to end. Otherwise only this session ends.
            let over = end.hung_up && self.running.record.ended(Deadline::after(ENDING)).await.is_ok();
            let words = match over {
                true => format!("the virtual machine has ended; {}", super::machine::console_tail(&self.console)),
                false => String::new(),
            };
            (None, words)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended_message(session: &str, words: &str) -> Vec<u8> {
        encode_line(&GuestMessage::Ended { session: session.into(), code: Some(3), stderr: words.into() }).unwrap()
    }

    #[test]
    fn a_message_after_a_truncated_line_is_read() {
        let mut bytes = b"{\"id\":1,\"out".to_vec();
        bytes.extend(&ended_message("old", "")[..9]);
        bytes.extend(ended_message("new", "w"));
        bytes.extend(b"rest");
        let (word, rest) = parse_message(&bytes).unwrap();
        assert!(matches!(word, GuestMessage::Ended { session, .. } if session == "new"));
        assert_eq!(rest, b"rest");
    }

    #[tokio::test]
    async fn the_agents_bytes_end_at_the_guests_message() {
        let (mut guest, host) = UnixStream::pair().unwrap();
        let (reader, _writer) = host.into_split();
        let ended: Ended = Arc::default();
        let mut output = Output { reader, ended: ended.clone(), held: b"a\n".to_vec(), control: None, over: false };
        let mut bytes = b"b\nc".to_vec();
        bytes.extend(ended_message("s", "no root"));
        for piece in bytes.chunks(5) {
            guest.write_all(piece).await.unwrap();
        }
        let mut text = String::new();
        output.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "a\nb\nc");
        assert_eq!(ended.lock().unwrap().message, Some((Some(3), "no root".to_owned())));
    }
}
