//! Connections to a listener of ours, which answers with the address that it saw.
//!
//! Whoever takes the connection is reached, also where nothing is said on it: a server of somebody else, or one that
//! hangs. Then the far side's view is not known.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, Shutdown, SockType, SockaddrStorage, connect, getsockopt, recv, shutdown, sockopt};
use plumbline_core::wire::ProbeEnd;

use super::act::Asking;
use super::refusal::{no_way, queue, unreachable};
use super::socket::{open, own, wants_port};

/// More connections than this are not tried at a time; each tries again by itself, after a second.
const MOST_TRIES: u32 = 4;

/// One or more tries to connect.
pub struct Tcp {
    to: SocketAddr,
    /// Not yet begun; opened beforehand, since a socket belongs to the namespace in which it is opened.
    waiting: Vec<OwnedFd>,
    tries: Vec<Try>,
}

struct Try {
    socket: OwnedFd,
    since: Instant,
    connected: bool,
    text: Vec<u8>,
}

impl Tcp {
    /// Opens the sockets in the namespace this thread is in.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(
        to: IpAddr,
        port: Option<u16>,
        from: Option<IpAddr>,
        dev: Option<&str>,
        times: u32,
    ) -> Result<Self, ProbeEnd> {
        let to = SocketAddr::new(to, wants_port(port)?);
        let count = times.clamp(1, MOST_TRIES);
        let waiting = (0..count).map(|_| open(SockType::Stream, None, to.ip(), from, dev)).collect::<Result<_, _>>()?;
        Ok(Self { to, waiting, tries: Vec::new() })
    }

    fn answered(&self, text: &[u8]) -> ProbeEnd {
        let saw = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
        ProbeEnd::Answered { by: self.to.ip(), mac: None, saw }
    }
}

impl Asking for Tcp {
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.extend(self.tries.iter().map(|one| {
            let wanted = if one.connected { PollFlags::POLLIN } else { PollFlags::POLLOUT };
            PollFd::new(one.socket.as_fd(), wanted)
        }));
    }

    fn send(&mut self) -> Result<(), ProbeEnd> {
        let Some(socket) = self.waiting.pop() else { return Ok(()) };
        let since = Instant::now();
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(self.to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            // On this very machine a reset may come at once.
            Err(Errno::ECONNREFUSED) => return Err(ProbeEnd::Refused),
            Err(errno) => return Err(no_way(errno)),
        }
        self.tries.push(Try { socket, since, connected: false, text: Vec::new() });
        Ok(())
    }

    fn take(&mut self) -> Option<(ProbeEnd, Option<Instant>)> {
        let mut number = 0;
        while number < self.tries.len() {
            match self.tries[number].step() {
                Step::Waits => number += 1,
                Step::Said => {
                    let one = &self.tries[number];
                    return Some((self.answered(&one.text), Some(one.since)));
                }
                Step::Refused(end) => return Some((end, None)),
                // The kernel has given up on it; others may still get through.
                Step::Lost => drop(self.tries.remove(number)),
            }
        }
        None
    }

    fn give_up(&mut self) -> ProbeEnd {
        match self.tries.iter().find(|one| one.connected) {
            Some(one) => self.answered(&one.text),
            None => ProbeEnd::NoAnswer,
        }
    }
}

enum Step {
    Waits,
    Said,
    Refused(ProbeEnd),
    Lost,
}

impl Try {
    fn step(&mut self) -> Step {
        if !self.connected {
            let own = own(&self.socket);
            if let Some(end) = queue(&self.socket).iter().find_map(|refusal| refusal.end(own)) {
                return Step::Refused(end);
            }
            match getsockopt(&self.socket, sockopt::SocketError) {
                Ok(0) => {}
                Ok(raw) => return unreachable(Errno::from_raw(raw)).map_or(Step::Lost, Step::Refused),
                Err(errno) => return Step::Refused(ProbeEnd::Unable { why: errno.to_string() }),
            }
            if nix::sys::socket::getpeername::<SockaddrStorage>(self.socket.as_raw_fd()).is_err() {
                return Step::Waits;
            }
            self.connected = true;
            // There is nothing to say; a server that waits for words learns so.
            let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Write);
        }
        let mut bytes = [0; 512];
        loop {
            match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(0) => return Step::Said,
                Ok(length) if self.text.len() < bytes.len() => self.text.extend_from_slice(&bytes[..length]),
                Ok(_) => return Step::Said,
                Err(Errno::EAGAIN) => return Step::Waits,
                Err(Errno::EINTR) => {}
                // It was taken, and then reset: reached all the same.
                Err(_) => return Step::Said,
            }
        }
    }
}
