//! A session over a channel: a lease on it, the beginning, the agent's streams, and the news of its end.

use super::emulator::socket;
use super::machine::Running;
use crate::agent::{Elsewhere, LocalAgent};
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
/// Between two looks for a channel that is free.
const LOOK: Duration = Duration::from_millis(20);
/// How long a machine that hung up is waited for, to tell why.
const ENDING: Duration = Duration::from_secs(5);
const PIECE_BYTES: usize = 64 * 1024;

/// The channels of a machine.
#[derive(Debug, Clone)]
pub struct Channels {
    /// What the names of their leases begin with.
    pub lease: String,
    /// How many there are.
    pub count: u32,
}

impl Channels {
    /// A channel that nobody else uses.
    ///
    /// # Errors
    /// [`TestbedError`] when none is free by the deadline.
    pub async fn free(&self, deadline: Deadline) -> Result<(u32, Lease), TestbedError> {
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

/// What came of beginning.
pub enum Begun {
    /// The session's agent, and since when the guest's kernel ran then, in milliseconds.
    Session(LocalAgent, u64),
    /// The machine ended before it answered.
    MachineEnded,
}

/// Begins a session. The machine may still be booting.
///
/// # Errors
/// [`TestbedError`] when it does not answer by the deadline, or can't start an agent.
pub async fn begin(
    running: Running,
    (number, lease): (u32, Lease),
    node: &[String],
    console: PathBuf,
    deadline: Deadline,
) -> Result<Begun, TestbedError> {
    let Ok(stream) = UnixStream::connect(socket(&running.record.sockets, number)).await else {
        return Ok(Begun::MachineEnded);
    };
    let (mut reader, mut writer) = stream.into_split();
    let request = StartSession { session: ids::new_id(), arguments: node.to_vec() };
    if writer.write_all(&encode_line(&request).at_stage(STAGE)?).await.is_err() {
        return Ok(Begun::MachineEnded);
    }
    let answer = within(deadline.remaining(), ready_line(&mut reader, &request.session)).await;
    let Some(answer) = answer else {
        let cause = format!("the guest did not answer on channel {number}; {}", super::machine::last_words(&console));
        return Err(TestbedError::new(STAGE, cause).with_hint("plumbline down, then again"));
    };
    match answer {
        Err(_) => Ok(Begun::MachineEnded),
        Ok((GuestMessage::Ended { stderr, .. }, _)) => {
            Err(TestbedError::new(STAGE, format!("the guest failed: {stderr}")))
        }
        Ok((GuestMessage::Ready { uptime_ms, .. }, rest)) => {
            let ended = Ended::default();
            let output = Output { reader, ended: ended.clone(), held: rest, control: None, over: false };
            let home = Home { ended, running, console, _lease: lease };
            Ok(Begun::Session(LocalAgent::elsewhere(output, Input(writer), Box::new(home)), uptime_ms))
        }
    }
}

/// Reads up to this session's first word; what a session before has left unsaid comes first and is passed over. Gives the
/// word and what was read after it.
async fn ready_line(reader: &mut OwnedReadHalf, session: &str) -> io::Result<(GuestMessage, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        while let Some((said, rest)) = first_word(&read) {
            let of = match &said {
                GuestMessage::Ready { session, .. } | GuestMessage::Ended { session, .. } => session,
            };
            if of == session {
                return Ok((said, rest));
            }
            read = rest;
        }
        if reader.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The first whole line of the channel itself that is understood, and what follows it.
fn first_word(bytes: &[u8]) -> Option<(GuestMessage, Vec<u8>)> {
    let mut from = bytes;
    loop {
        let mark = from.iter().position(|byte| *byte == MARK)?;
        let end = mark + from[mark..].iter().position(|byte| *byte == b'\n')?;
        if let Ok(said) = serde_json::from_slice(&from[mark + 1..end]) {
            return Some((said, from[end + 1..].to_vec()));
        }
        from = &from[mark + 1..];
    }
}

/// How a session ended, as far as it was heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct End {
    /// The guest's word: exit code and last words of the agent.
    word: Option<(Option<i32>, String)>,
    /// Whether the machine's end of the channel is closed.
    hung_up: bool,
}

/// Shared by who reads and who tells.
type Ended = Arc<Mutex<End>>;

/// What the agent writes. The guest's word of its end is the end of it.
struct Output {
    reader: OwnedReadHalf,
    ended: Ended,
    /// Read and not handed on yet.
    held: Vec<u8>,
    /// The guest's word, as far as it came.
    control: Option<Vec<u8>>,
    over: bool,
}

impl Output {
    /// Sorts what was read: hands the agent's bytes on, keeps the guest's word.
    fn sort(&mut self, bytes: &[u8], out: &mut ReadBuf<'_>) {
        let mark = bytes.iter().position(|byte| *byte == MARK).unwrap_or(bytes.len());
        let own = mark.min(out.remaining());
        out.put_slice(&bytes[..own]);
        if own < mark || (mark < bytes.len() && own > 0) {
            // What the reader has no room for, and the guest's word, wait for the next time.
            self.held = bytes[own..].to_vec();
            return;
        }
        let Some(word) = bytes.get(mark + 1..) else { return };
        self.control = Some(Vec::new());
        self.listen(word);
    }

    fn listen(&mut self, bytes: &[u8]) {
        let Some(control) = &mut self.control else { return };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        control.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if end.is_some() {
            if let Ok(GuestMessage::Ended { code, stderr, .. }) = serde_json::from_slice(control) {
                self.ended.lock().unwrap_or_else(PoisonError::into_inner).word = Some((code, stderr));
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
                Some(_) => self.listen(&bytes),
                None => self.sort(&bytes, out),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What the agent reads. Dropping it hangs up, once the other half is gone too.
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

/// Where the agent runs.
struct Home {
    ended: Ended,
    running: Running,
    console: PathBuf,
    _lease: Lease,
}

impl Elsewhere for Home {
    fn end(self: Box<Self>) -> BoxFuture<'static, (Option<i32>, String)> {
        let end = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move {
            if let Some(word) = end.word {
                return word;
            }
            // A machine that hung up is about to end; otherwise it is the session alone that ends, by our wish.
            let over = end.hung_up && self.running.record.ended(Deadline::after(ENDING)).await.is_ok();
            let words = match over {
                true => format!("the virtual machine has ended; {}", super::machine::last_words(&self.console)),
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

    fn said(session: &str, words: &str) -> Vec<u8> {
        encode_line(&GuestMessage::Ended { session: session.into(), code: Some(3), stderr: words.into() }).unwrap()
    }

    #[test]
    fn a_line_that_was_cut_short_does_not_hide_the_next() {
        let mut bytes = b"{\"id\":1,\"out".to_vec();
        bytes.extend(&said("old", "")[..9]);
        bytes.extend(said("new", "w"));
        bytes.extend(b"rest");
        let (word, rest) = first_word(&bytes).unwrap();
        assert!(matches!(word, GuestMessage::Ended { session, .. } if session == "new"));
        assert_eq!(rest, b"rest");
    }

    #[tokio::test]
    async fn the_agents_bytes_end_where_the_guest_speaks() {
        let (mut guest, host) = UnixStream::pair().unwrap();
        let (reader, _writer) = host.into_split();
        let ended: Ended = Arc::default();
        let mut output = Output { reader, ended: ended.clone(), held: b"a\n".to_vec(), control: None, over: false };
        let mut bytes = b"b\nc".to_vec();
        bytes.extend(said("s", "no root"));
        for piece in bytes.chunks(5) {
            guest.write_all(piece).await.unwrap();
        }
        let mut text = String::new();
        output.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "a\nb\nc");
        assert_eq!(ended.lock().unwrap().word, Some((Some(3), "no root".to_owned())));
    }
}
