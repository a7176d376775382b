//! Connections to our listeners, which answer with the address that they saw.
//!
//! An accepted connection is an answer, also when no data follows, as from another server or one that hangs. The address
//! that the far end saw is unknown then.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, Shutdown, SockType, SockaddrStorage, connect, getsockopt, recv, shutdown, sockopt};
use plumbline_core::wire::ProbeEnd;

use super::probe_socket::{PendingProbe, answered_end, open_socket, require_port, source_address};
use super::refusal::{end_for_errno, end_for_route_errno, read_refusals};

/// The most connections at a time; the kernel repeats each of them after a second.
const MAX_ATTEMPTS: u32 = 4;

/// One or more attempts to connect.
pub struct Tcp {
    to: SocketAddr,
    /// Sockets that are not used yet; opened early, because a socket belongs to the namespace in which it is opened.
    unused: Vec<OwnedFd>,
    attempts: Vec<Attempt>,
}

struct Attempt {
    socket: OwnedFd,
    since: Instant,
    connected: bool,
    text: Vec<u8>,
}

impl Tcp {
    /// Opens the sockets in the current namespace.
    ///
    /// # Errors
    /// As [`open_socket`].
    pub fn open(
        to: IpAddr,
        port: Option<u16>,
        from: Option<IpAddr>,
        dev: Option<&str>,
        times: u32,
    ) -> Result<Self, ProbeEnd> {
        let to = SocketAddr::new(to, require_port(port)?);
        let count = times.clamp(1, MAX_ATTEMPTS);
        let unused =
            (0..count).map(|_| open_socket(SockType::Stream, None, to.ip(), from, dev)).collect::<Result<_, _>>()?;
        Ok(Self { to, unused, attempts: Vec::new() })
    }
}

impl PendingProbe for Tcp {
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.extend(self.attempts.iter().map(|one| {
            let wanted = if one.connected { PollFlags::POLLIN } else { PollFlags::POLLOUT };
            PollFd::new(one.socket.as_fd(), wanted)
        }));
    }

    fn send(&mut self) -> Result<(), ProbeEnd> {
        let Some(socket) = self.unused.pop() else { return Ok(()) };
        let since = Instant::now();
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(self.to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            // From the same machine a reset may come at once.
            Err(Errno::ECONNREFUSED) => return Err(ProbeEnd::Refused),
            Err(errno) => return Err(end_for_route_errno(errno)),
        }
        self.attempts.push(Attempt { socket, since, connected: false, text: Vec::new() });
        Ok(())
    }

    fn read_answer(&mut self) -> Option<(ProbeEnd, Option<Instant>)> {
        let mut number = 0;
        while number < self.attempts.len() {
            match self.attempts[number].step() {
                Step::Waiting => number += 1,
                Step::Answered => {
                    let one = &self.attempts[number];
                    return Some((answered_end(self.to.ip(), &one.text), Some(one.since)));
                }
                Step::Refused(end) => return Some((end, None)),
                // The kernel ended this attempt; another one may still succeed.
                Step::Failed => drop(self.attempts.remove(number)),
            }
        }
        None
    }

    fn end_of_window(&mut self) -> ProbeEnd {
        match self.attempts.iter().find(|one| one.connected) {
            Some(one) => answered_end(self.to.ip(), &one.text),
            None => ProbeEnd::NoAnswer,
        }
    }
}

enum Step {
    Waiting,
    Answered,
    Refused(ProbeEnd),
    Failed,
}

impl Attempt {
    fn step(&mut self) -> Step {
        if !self.connected {
            let source = source_address(&self.socket);
            if let Some(end) = read_refusals(&self.socket).iter().find_map(|refusal| refusal.probe_end(source)) {
                return Step::Refused(end);
            }
            match getsockopt(&self.socket, sockopt::SocketError) {
                Ok(0) => {}
                Ok(raw) => return end_for_errno(Errno::from_raw(raw)).map_or(Step::Failed, Step::Refused),
                Err(errno) => return Step::Refused(ProbeEnd::Unable { why: errno.to_string() }),
            }
            if nix::sys::socket::getpeername::<SockaddrStorage>(self.socket.as_raw_fd()).is_err() {
                return Step::Waiting;
            }
            self.connected = true;
            // No data follows; a server that waits for data sees the end.
            let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Write);
        }
        let mut bytes = [0; 512];
        loop {
            match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(0) => return Step::Answered,
                Ok(length) if self.text.len() < bytes.len() => self.text.extend_from_slice(&bytes[..length]),
                Ok(_) => return Step::Answered,
                Err(Errno::EAGAIN) => return Step::Waiting,
                Err(Errno::EINTR) => {}
                // Accepted and then reset: the far end was reached.
                Err(_) => return Step::Answered,
            }
        }
    }
}
