//! Datagrams to a listener of ours, which answers with the address that it saw, and to name servers.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, SockType, recv, send};
use plumbline_core::wire::{ProbeEnd, dns};

use super::act::Asking;
use super::refusal::{queue, unreachable};
use super::socket::{fix, open, own, wants_port};

/// A datagram.
pub struct Udp {
    socket: OwnedFd,
    to: IpAddr,
    own: Option<IpAddr>,
    says: Says,
}

/// What a datagram says, and so what answers it.
#[derive(Debug, Clone)]
pub enum Says {
    /// This text; any datagram answers it.
    Text(String),
    /// This question to a name server; an answer to it alone answers it.
    Question(Vec<u8>),
}

impl Says {
    fn bytes(&self) -> &[u8] {
        match self {
            Says::Text(text) => text.as_bytes(),
            Says::Question(bytes) => bytes,
        }
    }
}

impl Udp {
    /// Opens the socket in the namespace this thread is in.
    ///
    /// # Errors
    /// As [`open`] and [`fix`].
    pub fn open(
        to: IpAddr,
        port: Option<u16>,
        from: Option<IpAddr>,
        dev: Option<&str>,
        says: Says,
    ) -> Result<Self, ProbeEnd> {
        let port = wants_port(port)?;
        let socket = open(SockType::Datagram, None, to, from, dev)?;
        fix(&socket, SocketAddr::new(to, port))?;
        Ok(Self { own: own(&socket), socket, to, says })
    }
}

impl Udp {
    /// The end that a datagram from whom was asked is; none for what is no answer.
    fn end(&self, bytes: &[u8]) -> Option<ProbeEnd> {
        match &self.says {
            Says::Text(_) => {
                let saw = std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok());
                Some(ProbeEnd::Answered { by: self.to, mac: None, saw })
            }
            Says::Question(asked) => dns::reply(asked, bytes)
                .map(|dns::Reply { code, addresses }| ProbeEnd::Resolved { by: self.to, code, addresses }),
        }
    }
}

impl Asking for Udp {
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.push(PollFd::new(self.socket.as_fd(), PollFlags::POLLIN));
    }

    fn send(&mut self) -> Result<(), ProbeEnd> {
        // What came back for an earlier one is told first, and is taken from the queue instead.
        for _ in 0..2 {
            match send(self.socket.as_raw_fd(), self.says.bytes(), MsgFlags::empty()) {
                Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH) => {}
                Err(errno) => return unreachable(errno).map_or(Ok(()), Err),
                Ok(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Option<(ProbeEnd, Option<Instant>)> {
        if let Some(end) = queue(&self.socket).iter().find_map(|refusal| refusal.end(self.own)) {
            return Some((end, None));
        }
        let mut bytes = [0; 2048];
        loop {
            match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(length) => {
                    if let Some(end) = self.end(&bytes[..length]) {
                        return Some((end, None));
                    }
                }
                Err(Errno::EAGAIN) => return None,
                // The queue has its story, or had; what it did not end goes on.
                Err(Errno::EINTR | Errno::EHOSTUNREACH) => {}
                Err(errno) => return unreachable(errno).map(|end| (end, None)),
            }
        }
    }
}
