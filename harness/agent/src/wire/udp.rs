//! Datagrams to our listeners, which answer with the address that they saw, and to name servers.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, SockType, recv, send};
use plumbline_core::wire::{ProbeEnd, dns};

use super::probe_socket::{PendingProbe, answered_end, connect_socket, open_socket, require_port, source_address};
use super::refusal::{end_for_errno, read_refusals};

/// A datagram that waits for its answer.
pub struct Udp {
    socket: OwnedFd,
    to: IpAddr,
    source: Option<IpAddr>,
    payload: Payload,
}

/// The content of a datagram, which decides what is an answer.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A text; any datagram answers it.
    Text(String),
    /// A DNS query; only a response to it answers it.
    DnsQuery(Vec<u8>),
}

impl Payload {
    fn bytes(&self) -> &[u8] {
        match self {
            Payload::Text(text) => text.as_bytes(),
            Payload::DnsQuery(bytes) => bytes,
        }
    }
}

impl Udp {
    /// Opens the socket in the current namespace.
    ///
    /// # Errors
    /// As [`open_socket`] and [`connect_socket`].
    pub fn open(
        to: IpAddr,
        port: Option<u16>,
        from: Option<IpAddr>,
        dev: Option<&str>,
        payload: Payload,
    ) -> Result<Self, ProbeEnd> {
        let port = require_port(port)?;
        let socket = open_socket(SockType::Datagram, None, to, from, dev)?;
        connect_socket(&socket, SocketAddr::new(to, port))?;
        Ok(Self { source: source_address(&socket), socket, to, payload })
    }

    /// The end of the probe by this datagram; none when it is no answer.
    fn answer_end(&self, bytes: &[u8]) -> Option<ProbeEnd> {
        match &self.payload {
            Payload::Text(_) => Some(answered_end(self.to, bytes)),
            Payload::DnsQuery(query) => dns::reply(query, bytes)
                .map(|dns::Reply { code, addresses }| ProbeEnd::Resolved { by: self.to, code, addresses }),
        }
    }
}

impl PendingProbe for Udp {
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.push(PollFd::new(self.socket.as_fd(), PollFlags::POLLIN));
    }

    fn send(&mut self) -> Result<(), ProbeEnd> {
        // The socket first reports an error of an earlier datagram, which is read from the error queue instead.
        for _ in 0..2 {
            match send(self.socket.as_raw_fd(), self.payload.bytes(), MsgFlags::empty()) {
                Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH) => {}
                Err(errno) => return end_for_errno(errno).map_or(Ok(()), Err),
                Ok(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn read_answer(&mut self) -> Option<(ProbeEnd, Option<Instant>)> {
        if let Some(end) = read_refusals(&self.socket).iter().find_map(|refusal| refusal.probe_end(self.source)) {
            return Some((end, None));
        }
        let mut bytes = [0; 2048];
        loop {
            match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(length) => {
                    if let Some(end) = self.answer_end(&bytes[..length]) {
                        return Some((end, None));
                    }
                }
                Err(Errno::EAGAIN) => return None,
                // The error queue has the details; an error that did not end the probe is ignored.
                Err(Errno::EINTR | Errno::EHOSTUNREACH) => {}
                Err(errno) => return end_for_errno(errno).map(|end| (end, None)),
            }
        }
    }
}
