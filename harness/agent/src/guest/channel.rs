//! A channel to the host: a virtio-serial port, over which one session after another is held.
//!
//! Whether the host is connected is only a state of the port, and one that a quick host changes twice before we look. So
//! it is the line [`Begin`] that starts a session, and ends the one before if that still lives.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{read, write};
use plumbline_core::guest::{Begin, MARK, Said, line};

use super::session::Session;
use super::tell;

/// How much waits in either direction at most; then the writer has to.
const ROOM: usize = 256 * 1024;
/// A longer line of the channel itself is none of ours.
const LONGEST_LINE_BYTES: usize = 64 * 1024;

/// One channel.
pub struct Channel {
    port: File,
    /// The session in course.
    pub session: Option<Session>,
    /// A line of the channel itself that has begun.
    control: Option<Vec<u8>>,
    /// What waits for the host.
    out: Vec<u8>,
    /// Whether the kernel is known to have heard that the session's host is connected.
    connected: bool,
}

/// What came of moving bytes.
pub enum Moved {
    /// All is still.
    Still,
    /// A session was started; its streams want to be watched.
    Started,
    /// The session's agent has closed its output and has to be waited for.
    Closed,
}

impl Channel {
    /// Opens a port.
    ///
    /// # Errors
    /// What open(2) gives.
    pub fn open(path: &Path) -> io::Result<Self> {
        let port = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
        Ok(Self { port, session: None, control: None, connected: false, out: Vec::new() })
    }

    /// The port, to be watched.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }

    /// Moves what can be moved in both directions.
    pub fn pump(&mut self) -> Moved {
        loop {
            let mut moved = false;
            match self.receive() {
                Received::Nothing => {}
                Received::Bytes => moved = true,
                Received::Begin(begin) => {
                    self.begin(&begin);
                    return Moved::Started;
                }
            }
            if let Some(session) = &mut self.session {
                moved |= session.feed();
                moved |= session.drain(&mut self.out, ROOM);
            }
            moved |= self.send();
            if !moved {
                let closed = self.session.as_ref().is_some_and(Session::closed);
                return if closed { Moved::Closed } else { Moved::Still };
            }
        }
    }

    /// Tells the host that the session has ended, with the last of what its agent said.
    pub fn ended(&mut self, session: &Session) {
        let words = String::from_utf8_lossy(&session.words).into_owned();
        self.say(&Said::Ended { session: session.name.clone(), code: session.ended.flatten(), words });
    }

    fn receive(&mut self) -> Received {
        if self.session.as_ref().is_some_and(|session| session.input.len() >= ROOM) {
            return Received::Nothing;
        }
        let mut piece = [0; 32 * 1024];
        match read(&self.port, &mut piece) {
            // What a host says can be here before the kernel has heard that it is connected: data and that word come by
            // different queues (`virtio_console`, `port_fops_read` and `handle_control_message`).
            Ok(0) if self.session.is_some() && !self.connected => Received::Nothing,
            // Nobody is connected.
            Ok(0) => {
                self.control = None;
                self.out.clear();
                if let Some(session) = &mut self.session {
                    session.hang_up();
                }
                Received::Nothing
            }
            Ok(length) => self.take(&piece[..length]),
            Err(Errno::EINTR) => Received::Bytes,
            Err(Errno::EAGAIN) => {
                self.connected = true;
                Received::Nothing
            }
            Err(_) => Received::Nothing,
        }
    }

    /// Sorts bytes into the session's and the channel's own. After a line of the channel itself the host waits for our
    /// answer, so nothing of worth follows it in the same piece.
    fn take(&mut self, mut bytes: &[u8]) -> Received {
        if self.control.is_none() {
            let mark = bytes.iter().position(|byte| *byte == MARK);
            let own = &bytes[..mark.unwrap_or(bytes.len())];
            if let Some(session) = &mut self.session {
                session.input.extend_from_slice(own);
            }
            let Some(mark) = mark else { return Received::Bytes };
            self.control = Some(Vec::new());
            bytes = &bytes[mark + 1..];
        }
        let Some(control) = &mut self.control else { return Received::Bytes };
        // A host that was cut short in its line is followed by one that begins anew.
        if let Some(again) = bytes.iter().rposition(|byte| *byte == MARK) {
            control.clear();
            bytes = &bytes[again + 1..];
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        control.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if control.len() > LONGEST_LINE_BYTES {
            control.clear();
        }
        if end.is_none() {
            return Received::Bytes;
        }
        let whole = self.control.take().unwrap_or_default();
        match serde_json::from_slice(&whole) {
            Ok(begin) => Received::Begin(begin),
            Err(error) => {
                tell(&format!("the host said what is not understood: {error}"));
                Received::Bytes
            }
        }
    }

    fn begin(&mut self, begin: &Begin) {
        if let Some(mut old) = self.session.take() {
            old.kill();
        }
        self.out.clear();
        self.connected = false;
        match Session::start(begin) {
            Ok(session) => {
                self.session = Some(session);
                self.say(&Said::Ready { session: begin.session.clone(), uptime_ms: uptime_ms() });
            }
            Err(error) => {
                let words = format!("start the agent: {error}");
                self.say(&Said::Ended { session: begin.session.clone(), code: None, words });
            }
        }
    }

    fn say(&mut self, said: &Said) {
        match line(said) {
            Ok(line) => self.out.extend(line),
            Err(error) => tell(&format!("say {said:?}: {error}")),
        }
        self.send();
    }

    /// Hands over what the port takes; says whether anything moved.
    fn send(&mut self) -> bool {
        let mut moved = false;
        while !self.out.is_empty() {
            match write(&self.port, &self.out[..self.out.len().min(32 * 1024)]) {
                Ok(written) if written > 0 => {
                    self.out.drain(..written);
                    moved = true;
                }
                Err(Errno::EINTR) => {}
                _ => break,
            }
        }
        moved
    }
}

enum Received {
    Nothing,
    Bytes,
    Begin(Begin),
}

/// Since the kernel began.
fn uptime_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|first| first.replace('.', "").parse::<u64>().ok());
    // Two digits stand behind the point (`proc_uptime(5)`).
    seconds.unwrap_or_default() * 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Shutdown;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    /// A channel with a session, and its host's end; an end that says no more reads like a port without a host.
    fn begun() -> (Channel, UnixStream) {
        let (ours, host) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let port = File::from(OwnedFd::from(ours));
        let mut channel = Channel { port, session: None, control: None, connected: true, out: Vec::new() };
        // This test's own program, which ends at once.
        channel.begin(&Begin { session: "s".into(), arguments: vec!["--list".into()] });
        (channel, host)
    }

    fn hangs(channel: &mut Channel) -> bool {
        let before = channel.session.as_ref().unwrap().descriptors().len();
        assert!(matches!(channel.receive(), Received::Nothing));
        channel.session.as_ref().unwrap().descriptors().len() < before
    }

    #[test]
    fn a_port_that_has_not_heard_of_its_host_yet_does_not_end_the_session() {
        let (mut channel, host) = begun();
        host.shutdown(Shutdown::Write).unwrap();
        assert!(!hangs(&mut channel), "data came before the word of being connected");
        let (mut channel, host) = begun();
        assert!(!hangs(&mut channel), "connected, and silent");
        host.shutdown(Shutdown::Write).unwrap();
        assert!(hangs(&mut channel), "a host that was there has gone");
    }
}
