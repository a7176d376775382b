//! Captures of one network namespace: one packet socket for all of them.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags};
use plumbline_core::wire::{Capture, CaptureSeen, Direction, RawFrame};
use plumbline_netlink::raw::{Frame, PacketSocket};
use plumbline_netlink::{Errno, Netlink};

use super::frame::carries;
use super::{filter, frame};
use crate::trouble::{Doing, Trouble, fault};

/// What is kept of one capture; frames beyond it count as dropped.
const KEPT_FRAMES: usize = 10_000;

/// How many frames are taken before others get their turn.
const AT_ONCE: usize = 2048;

/// The captures of one namespace.
pub struct Captures {
    socket: PacketSocket,
    each: Vec<Each>,
    dropped: u32,
}

struct Each {
    wanted: Capture,
    interface: String,
    index: u32,
    frames: Vec<Frame>,
    beyond: u32,
}

impl Captures {
    /// Opens captures in the namespace this thread is in; each with the name of its interface.
    ///
    /// # Errors
    /// A fault that names the capture whose interface is not there; what the socket gives.
    pub fn open(wanted: Vec<(Capture, String)>) -> Result<Self, Trouble> {
        let doing = "open captures";
        let mut netlink = Netlink::open().doing(doing)?;
        let mut each = Vec::new();
        for (wanted, interface) in wanted {
            let index = netlink.link_index(&interface).doing(format!("capture {} on {interface}", wanted.id))?;
            each.push(Each { wanted, interface, index, frames: Vec::new(), beyond: 0 });
        }
        let socket = PacketSocket::open().doing(doing)?;
        let list: Vec<filter::Wanted> = each.iter().map(|one| (one.index, one.wanted.addresses.as_slice())).collect();
        match socket.filter(&filter::program(&list)) {
            Err(error) if error.is(Errno::ENOMEM) => socket.filter(&filter::coarse(&list)),
            done => done,
        }
        .doing(doing)?;
        Ok(Self { socket, each, dropped: 0 })
    }

    /// What is to be polled: one descriptor.
    #[must_use]
    pub fn watch(&self) -> PollFd<'_> {
        PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)
    }

    /// Takes what is there; whether there may be more.
    pub fn take(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            match self.socket.receive() {
                Ok(Some(frame)) => self.give(&frame),
                Ok(None) => return false,
                Err(_) => {
                    // A socket that can't be read has lost something.
                    self.dropped = self.dropped.saturating_add(1);
                    return false;
                }
            }
        }
        true
    }

    fn give(&mut self, frame: &Frame) {
        for one in &mut self.each {
            if one.index != frame.index || !carries(&frame.bytes, &one.wanted.addresses) {
                continue;
            }
            if one.frames.len() < KEPT_FRAMES {
                one.frames.push(frame.clone());
            } else {
                one.beyond = one.beyond.saturating_add(1);
            }
        }
    }

    /// Whether a control frame with this text came in anywhere here.
    #[must_use]
    pub fn received_control(&self, id: &str) -> bool {
        self.each.iter().flat_map(|one| &one.frames).any(|frame| {
            let inner = frame::inner(&frame.bytes).filter(|_| !frame.outgoing);
            inner.is_some_and(|(kind, text)| kind == frame::CONTROL && text.starts_with(id.as_bytes()))
        })
    }

    /// Takes the rest and ends: what was seen, and the socket, whose close takes its time.
    ///
    /// # Errors
    /// A fault when the counters can't be read: then nobody knows what was dropped.
    pub fn close(mut self) -> Result<(Vec<(String, CaptureSeen)>, PacketSocket), Trouble> {
        while self.take() {}
        let counted = self.socket.dropped().map_err(|error| fault("count dropped frames", error))?;
        let dropped = self.dropped.saturating_add(counted);
        let seen = self.each.into_iter().map(|one| {
            let seen = CaptureSeen {
                id: one.wanted.id.clone(),
                interface: one.interface,
                frames: one.frames.iter().map(raw).collect(),
                dropped: dropped.saturating_add(one.beyond),
            };
            (one.wanted.id, seen)
        });
        Ok((seen.collect(), self.socket))
    }
}

fn raw(frame: &Frame) -> RawFrame {
    RawFrame {
        at_us: frame.at_us,
        direction: if frame.outgoing { Direction::Out } else { Direction::In },
        bytes: hex(&frame.bytes),
        length: frame.length,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
