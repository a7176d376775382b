//! Captures of one network namespace: one packet socket for all of them.

use std::os::fd::AsFd;

use data_encoding::HEXLOWER;
use nix::poll::{PollFd, PollFlags};
use plumbline_core::wire::{Capture, CaptureResult, Direction, RawFrame};
use plumbline_netlink::raw::{Frame, PacketSocket};
use plumbline_netlink::{Errno, Netlink};

use super::filter::{self, InterfaceAddresses};
use super::frames::{self, carries_address};
use crate::error::{During, RequestError, fault};

/// The most frames of one capture; further frames count as dropped.
const MAX_FRAMES: usize = 10_000;

/// How many frames are read before other sockets have their turn.
const FRAMES_PER_TURN: usize = 2048;

/// The captures of one namespace.
pub struct NamespaceCaptures {
    socket: PacketSocket,
    captures: Vec<OpenCapture>,
    dropped: u32,
}

struct OpenCapture {
    request: Capture,
    interface: String,
    index: u32,
    frames: Vec<Frame>,
    beyond_limit: u32,
}

impl NamespaceCaptures {
    /// Opens captures in the current namespace; each with the name of its interface.
    ///
    /// # Errors
    /// A fault that names the capture whose interface is missing; what the socket gives.
    pub fn open(requested: Vec<(Capture, String)>) -> Result<Self, RequestError> {
        let action = "open captures";
        let mut netlink = Netlink::open().during(action)?;
        let mut captures = Vec::new();
        for (request, interface) in requested {
            let index = netlink.link_index(&interface).during(format!("capture {} on {interface}", request.id))?;
            captures.push(OpenCapture { request, interface, index, frames: Vec::new(), beyond_limit: 0 });
        }
        let socket = PacketSocket::open().during(action)?;
        let list: Vec<InterfaceAddresses> =
            captures.iter().map(|one| (one.index, one.request.addresses.as_slice())).collect();
        match socket.set_filter(&filter::build_filter(&list)) {
            Err(error) if error.is(Errno::ENOMEM) => socket.set_filter(&filter::build_coarse_filter(&list)),
            result => result,
        }
        .during(action)?;
        Ok(Self { socket, captures, dropped: 0 })
    }

    /// The descriptor to poll.
    pub fn watch(&self) -> PollFd<'_> {
        PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)
    }

    /// Reads the frames that arrived; returns whether there may be more.
    pub fn read_available(&mut self) -> bool {
        for _ in 0..FRAMES_PER_TURN {
            match self.socket.receive() {
                Ok(Some(frame)) => self.store(&frame),
                Ok(None) => return false,
                Err(_) => {
                    // A socket that cannot be read has lost frames.
                    self.dropped = self.dropped.saturating_add(1);
                    return false;
                }
            }
        }
        true
    }

    fn store(&mut self, frame: &Frame) {
        for one in &mut self.captures {
            if one.index != frame.index || !carries_address(&frame.bytes, &one.request.addresses) {
                continue;
            }
            if one.frames.len() < MAX_FRAMES {
                one.frames.push(frame.clone());
            } else {
                one.beyond_limit = one.beyond_limit.saturating_add(1);
            }
        }
    }

    /// Whether any capture of this namespace received a control frame with this text.
    pub fn received_control(&self, id: &str) -> bool {
        self.captures.iter().flat_map(|one| &one.frames).any(|frame| {
            let inner = frames::split_tags(&frame.bytes).filter(|_| !frame.outgoing);
            inner.is_some_and(|(kind, text)| kind == frames::CONTROL && text.starts_with(id.as_bytes()))
        })
    }

    /// Reads the remaining frames; returns what was captured, and the socket, whose close takes the kernel some time.
    ///
    /// # Errors
    /// A fault when the counters cannot be read: the number of dropped frames is unknown then.
    pub fn close(mut self) -> Result<(Vec<(String, CaptureResult)>, PacketSocket), RequestError> {
        while self.read_available() {}
        let counted = self.socket.dropped().map_err(|error| fault("count dropped frames", error))?;
        let dropped = self.dropped.saturating_add(counted);
        let seen = self.captures.into_iter().map(|one| {
            let seen = CaptureResult {
                id: one.request.id.clone(),
                interface: one.interface,
                frames: one.frames.iter().map(raw_frame).collect(),
                dropped: dropped.saturating_add(one.beyond_limit),
            };
            (one.request.id, seen)
        });
        Ok((seen.collect(), self.socket))
    }
}

fn raw_frame(frame: &Frame) -> RawFrame {
    RawFrame {
        at_us: frame.at_us,
        direction: if frame.outgoing { Direction::Out } else { Direction::In },
        bytes: HEXLOWER.encode(&frame.bytes),
        length: frame.length,
    }
}
