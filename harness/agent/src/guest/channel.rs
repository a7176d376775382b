//! A channel to the host: a virtio-serial port, over which the host runs one session after another.
//!
//! Whether the host is connected is a state of the port, which may change twice between two reads. So the line
//! [`StartSession`] starts a session, and ends the previous one if that still runs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{read, write};
use plumbline_core::guest::{GuestMessage, MARK, StartSession, encode_line};

use super::error::print_on_console;
use super::session::Session;

/// The most bytes that are buffered in each direction; above it the writer has to wait.
const BUFFER_BYTES: usize = 256 * 1024;
/// A longer line of the channel itself is ignored.
const LONGEST_LINE_BYTES: usize = 64 * 1024;

/// One channel.
pub struct Channel {
    port: File,
    /// The current session.
    pub session: Option<Session>,
    /// The start of a line of the channel itself.
    control: Option<Vec<u8>>,
    /// Bytes for the host that are not written yet.
    out: Vec<u8>,
    /// Whether the kernel has seen the connection of the session's host.
    connected: bool,
}

/// The state of a channel when no more bytes can be moved.
pub enum PumpState {
    /// Nothing to do.
    Idle,
    /// A session was started; its streams are to be watched.
    SessionStarted,
    /// The session's agent has closed its output and is to be waited for.
    SessionClosed,
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

    /// Moves bytes in both directions until both would block.
    pub fn pump(&mut self) -> PumpState {
        loop {
            let mut moved = false;
            match self.receive() {
                Received::Nothing => {}
                Received::Bytes => moved = true,
                Received::Start(request) => {
                    self.start_session(&request);
                    return PumpState::SessionStarted;
                }
            }
            if let Some(session) = &mut self.session {
                moved |= session.write_available();
                moved |= session.read_available(&mut self.out, BUFFER_BYTES);
            }
            moved |= self.write_available();
            if !moved {
                let closed = self.session.as_ref().is_some_and(Session::is_closed);
                return if closed { PumpState::SessionClosed } else { PumpState::Idle };
            }
        }
    }

    /// Reports the end of the session to the host, with the end of its standard error.
    pub fn report_end(&mut self, session: &Session) {
        let stderr = String::from_utf8_lossy(&session.stderr_tail).into_owned();
        self.send(&GuestMessage::Ended { session: session.name.clone(), code: session.exit_code, stderr });
    }

    fn receive(&mut self) -> Received {
        if self.session.as_ref().is_some_and(|session| session.input.len() >= BUFFER_BYTES) {
            return Received::Nothing;
        }
        let mut piece = [0; 32 * 1024];
        match read(&self.port, &mut piece) {
            // Data of a host may arrive before the event of its connection: they come by different queues
            // (`virtio_console`, `port_fops_read` and `handle_control_message`).
            Ok(0) if self.session.is_some() && !self.connected => Received::Nothing,
            // No host is connected.
            Ok(0) => {
                self.control = None;
                self.out.clear();
                if let Some(session) = &mut self.session {
                    session.hang_up();
                }
                Received::Nothing
            }
            Ok(length) => self.split_input(&piece[..length]),
            Err(Errno::EINTR) => Received::Bytes,
            Err(Errno::EAGAIN) => {
                self.connected = true;
                Received::Nothing
            }
            Err(_) => Received::Nothing,
        }
    }

    /// Separates the session's bytes from lines of the channel itself. After such a line the host waits for the answer, so
    /// bytes behind it in the same piece are dropped.
    fn split_input(&mut self, mut bytes: &[u8]) -> Received {
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
        // A line that a host did not finish is replaced by the next host's line.
        if let Some(last) = bytes.iter().rposition(|byte| *byte == MARK) {
            control.clear();
            bytes = &bytes[last + 1..];
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
            Ok(request) => Received::Start(request),
            Err(error) => {
                print_on_console(&format!("parse a line of the host: {error}"));
                Received::Bytes
            }
        }
    }

    fn start_session(&mut self, request: &StartSession) {
        if let Some(mut old) = self.session.take() {
            old.kill();
        }
        self.out.clear();
        self.connected = false;
        match Session::start(request) {
            Ok(session) => {
                self.session = Some(session);
                self.send(&GuestMessage::Ready { session: request.session.clone(), uptime_ms: uptime_ms() });
            }
            Err(error) => {
                let stderr = format!("start the agent: {error}");
                self.send(&GuestMessage::Ended { session: request.session.clone(), code: None, stderr });
            }
        }
    }

    fn send(&mut self, message: &GuestMessage) {
        match encode_line(message) {
            Ok(line) => self.out.extend(line),
            Err(error) => print_on_console(&format!("send {message:?}: {error}")),
        }
        self.write_available();
    }

    /// Writes what the port takes; returns whether anything was written.
    fn write_available(&mut self) -> bool {
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
    Start(StartSession),
}

/// The time since the start of the kernel.
fn uptime_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|first| first.replace('.', "").parse::<u64>().ok());
    // There are two digits behind the point (`proc_uptime(5)`).
    seconds.unwrap_or_default() * 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Shutdown;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    /// A channel with a session, and the host's end. A closed end reads like a port without a host.
    fn channel_with_session() -> (Channel, UnixStream) {
        let (ours, host) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let port = File::from(OwnedFd::from(ours));
        let mut channel = Channel { port, session: None, control: None, connected: true, out: Vec::new() };
        // The program of this test, which ends at once.
        channel.start_session(&StartSession { session: "s".into(), arguments: vec!["--list".into()] });
        (channel, host)
    }

    fn hangs_up(channel: &mut Channel) -> bool {
        let before = channel.session.as_ref().unwrap().descriptors().len();
        assert!(matches!(channel.receive(), Received::Nothing));
        channel.session.as_ref().unwrap().descriptors().len() < before
    }

    #[test]
    fn a_session_goes_on_until_its_connected_host_hangs_up() {
        let (mut channel, host) = channel_with_session();
        host.shutdown(Shutdown::Write).unwrap();
        assert!(!hangs_up(&mut channel), "data came before the event of the connection");
        let (mut channel, host) = channel_with_session();
        assert!(!hangs_up(&mut channel), "connected, without data");
        host.shutdown(Shutdown::Write).unwrap();
        assert!(hangs_up(&mut channel), "the connected host is gone");
    }

    proptest! {
        #[test]
        fn no_input_makes_the_channel_panic(
            pieces in prop::collection::vec(
                prop::collection::vec(prop_oneof![Just(MARK), Just(b'\n'), Just(b'{'), any::<u8>()], 0..40),
                0..6,
            ),
        ) {
            let port = File::from(OwnedFd::from(UnixStream::pair().unwrap().0));
            let mut channel = Channel { port, session: None, control: None, connected: true, out: Vec::new() };
            for piece in pieces {
                let _ = channel.split_input(&piece);
            }
        }
    }
}
