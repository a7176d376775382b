//! One blocking `NETLINK_ROUTE` socket: requests with acknowledgement, and dumps.

use std::os::fd::AsFd;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc::MSG_TRUNC;

use crate::error::{Error, Result};
use crate::namespace;

/// The kernel fills at most 32 KiB of a dump into one datagram; an answer to a single request may be larger.
const BUFFER_BYTES: usize = 64 * 1024;

/// How often an interrupted dump is requested before it becomes an error.
const DUMP_ATTEMPTS: usize = 10;

/// Set on every part of a dump during which the listed objects changed (`linux/netlink.h`).
const NLM_F_DUMP_INTR: u16 = 0x10;

/// Set on an error whose own attributes follow the echoed header (`linux/netlink.h`).
const NLM_F_ACK_TLVS: u16 = 0x200;

/// The attribute of an extended acknowledgement with the kernel's message (`linux/netlink.h`).
const NLMSGERR_ATTR_MSG: u16 = 1;

const HEADER_BYTES: usize = 16;

/// A routing socket of the network namespace in which it was opened.
pub struct Netlink {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in the current network namespace.
    pub fn open() -> Result<Self> {
        let failed = |source| Error::io("open a netlink socket", source);
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(failed)?;
        socket.bind_auto().map_err(failed)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
        // Kernels before 4.12 have neither option; errors have no kernel message then.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Ok(Self { socket, buffer: vec![0; BUFFER_BYTES], sequence: 0 })
    }

    /// Opens a socket in another network namespace; this thread has returned to its own when the call returns.
    pub fn open_in(namespace: impl AsFd) -> Result<Self> {
        namespace::with_netns(namespace, Self::open)
    }

    /// Sends one request and waits for the kernel's acknowledgement. `flags` are added to `REQUEST` and `ACK`.
    ///
    /// # Errors
    /// [`Error::Kernel`] with the errno if the kernel refuses; `what` names the request in it.
    pub fn request(&mut self, what: &str, message: impl Into<RouteNetlinkMessage>, flags: u16) -> Result<()> {
        let sequence = self.send(what, message.into(), NLM_F_REQUEST | NLM_F_ACK | flags)?;
        self.read_answers(what, sequence, &mut |_| {}).map(drop)
    }

    /// Sends one request whose answer is a single message, and returns that message.
    ///
    /// # Errors
    /// As [`request`](Self::request); [`Error::Answer`] if the kernel acknowledges without an answer.
    pub fn query(&mut self, what: &str, message: impl Into<RouteNetlinkMessage>) -> Result<RouteNetlinkMessage> {
        let sequence = self.send(what, message.into(), NLM_F_REQUEST | NLM_F_ACK)?;
        let mut found = None;
        self.read_answers(what, sequence, &mut |message| found = Some(message))?;
        found.ok_or_else(|| Error::Answer { what: what.to_owned(), problem: "the kernel gave no answer".to_owned() })
    }

    /// Requests a listing. A listing that a concurrent change interrupted is dropped and requested again, ten times at most.
    ///
    /// # Errors
    /// [`Error::Answer`] if that happened each time; otherwise as [`request`](Self::request).
    pub fn dump(&mut self, what: &str, message: impl Into<RouteNetlinkMessage>) -> Result<Vec<RouteNetlinkMessage>> {
        let message = message.into();
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.send(what, message.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            let mut found = Vec::new();
            let whole = self.read_answers(what, sequence, &mut |message| found.push(message))?;
            if whole {
                return Ok(found);
            }
        }
        // The kernel set `NLM_F_DUMP_INTR` each time: the listed objects changed during each listing.
        let problem = format!("interrupted by concurrent changes, {DUMP_ATTEMPTS} times in a row");
        Err(Error::Answer { what: what.to_owned(), problem })
    }

    fn send(&mut self, what: &str, message: RouteNetlinkMessage, flags: u16) -> Result<u32> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(|source| Error::io(what, source))?;
        Ok(self.sequence)
    }

    /// Reads until the end of the answer to `sequence`; false if any part of it was marked as interrupted.
    fn read_answers(&mut self, what: &str, sequence: u32, each: &mut dyn FnMut(RouteNetlinkMessage)) -> Result<bool> {
        let mut whole = true;
        loop {
            let length = self.receive(what)?;
            let mut rest = &self.buffer[..length];
            while rest.len() >= HEADER_BYTES {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|problem| Error::Answer { what: what.to_owned(), problem: problem.to_string() })?;
                let taken = (message.header.length as usize).next_multiple_of(4).min(rest.len());
                rest = &rest[taken..];
                // A message of an earlier request that failed half-way.
                if message.header.sequence_number != sequence {
                    continue;
                }
                whole &= message.header.flags & NLM_F_DUMP_INTR == 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => each(inner),
                    NetlinkPayload::Noop => {}
                    NetlinkPayload::Done(done) => {
                        return refusal(what, done.code, None).map_or(Ok(whole), Err);
                    }
                    NetlinkPayload::Error(error) => {
                        let tail = message.header.flags & NLM_F_ACK_TLVS != 0;
                        let detail = tail.then(|| find_message(&error.header)).flatten();
                        return refusal(what, error.raw_code(), detail).map_or(Ok(whole), Err);
                    }
                    other => {
                        return Err(Error::Answer {
                            what: what.to_owned(),
                            problem: format!("unexpected kind of message: {other:?}"),
                        });
                    }
                }
            }
        }
    }

    fn receive(&mut self, what: &str) -> Result<usize> {
        loop {
            let mut space = &mut self.buffer[..];
            match self.socket.recv(&mut space, MSG_TRUNC) {
                Ok(length) if length > BUFFER_BYTES => {
                    return Err(Error::Answer {
                        what: what.to_owned(),
                        problem: format!("answer: expected at most {BUFFER_BYTES} bytes, found {length}"),
                    });
                }
                Ok(length) => return Ok(length),
                Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
                Err(error) => return Err(Error::io(what, error)),
            }
        }
    }
}

fn refusal(what: &str, code: i32, detail: Option<String>) -> Option<Error> {
    (code != 0).then(|| Error::Kernel { what: what.to_owned(), errno: Errno::from_raw(code.saturating_abs()), detail })
}

/// Finds the kernel's message behind an error code: the echoed header, then attributes.
fn find_message(echo: &[u8]) -> Option<String> {
    let mut rest = echo.get(HEADER_BYTES..)?;
    while let [l0, l1, k0, k1, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([k0, k1]) == NLMSGERR_ATTR_MSG {
            let text = String::from_utf8_lossy(value);
            return Some(text.trim_end_matches(['\0', '.']).to_owned());
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_behind_other_attributes() {
        let mut echo = vec![0; HEADER_BYTES];
        echo.extend([8u16.to_ne_bytes(), 2u16.to_ne_bytes()].concat());
        echo.extend(44u32.to_ne_bytes());
        echo.extend([10u16.to_ne_bytes(), 1u16.to_ne_bytes()].concat());
        echo.extend(b"nope.\0\0\0");
        assert_eq!(find_message(&echo).as_deref(), Some("nope"));
        assert_eq!(find_message(&echo[..HEADER_BYTES]), None);
        assert_eq!(find_message(&[]), None);
    }

    #[test]
    fn a_zero_length_attribute_ends_the_search() {
        let mut echo = vec![0; HEADER_BYTES];
        echo.extend([0; 8]);
        assert_eq!(find_message(&echo), None);
    }
}
