//! Open sockets of the wire: listeners and captures, served by every wait of the agent.
//!
//! A socket belongs for its life to the network namespace in which it was opened, so one loop serves the sockets of all
//! namespaces ([`crate::input::Input::wait`]).
//!
//! | module | what is in it |
//! |---|---|
//! | [`frames`] | reading and building frames: tags, addresses, ARP, neighbour solicitations, control frames |
//! | [`filter`] | the BPF program of a capture |
//! | [`capture`] | captures of one namespace |
//! | [`listen`] | listeners that answer with the sender's address |

pub mod capture;
pub mod filter;
pub mod frames;
pub mod listen;

use nix::poll::PollFd;
use plumbline_core::protocol::Target;
use plumbline_netlink::raw::PacketSocket;

use capture::NamespaceCaptures;
use listen::OpenListener;

/// The sockets that are open between two requests.
#[derive(Default)]
pub struct OpenSockets {
    /// Captures, by namespace.
    pub captures: Vec<NamespaceCaptures>,
    /// The ids of the captures in the order of the request.
    pub capture_order: Vec<String>,
    /// Listeners and their targets.
    pub listeners: Vec<(Target, OpenListener)>,
    /// Packet sockets that are no longer used. Closing one takes the kernel some time, so the agent closes them after
    /// the reply.
    pub retired: Vec<PacketSocket>,
}

impl OpenSockets {
    /// Adds the descriptors to poll.
    pub fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.extend(self.captures.iter().map(NamespaceCaptures::watch));
        self.listeners.iter().for_each(|(_, listener)| listener.watch(watched));
    }

    /// Serves the ready descriptors, in the order of [`watch`](Self::watch).
    pub fn serve(&mut self, ready: &[bool]) {
        let mut rest = ready;
        for captures in &mut self.captures {
            if rest.first() == Some(&true) {
                captures.read_available();
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        for (_, listener) in &mut self.listeners {
            let (own, others) = rest.split_at(listener.descriptor_count().min(rest.len()));
            if own.contains(&true) {
                listener.serve(own);
            }
            rest = others;
        }
    }

    /// Whether no listener and no capture is open.
    pub fn is_empty(&self) -> bool {
        self.captures.is_empty() && self.listeners.is_empty()
    }

    /// Closes everything and drops what was captured.
    pub fn discard(&mut self) {
        self.listeners.clear();
        self.capture_order.clear();
        for captures in std::mem::take(&mut self.captures) {
            self.retired.extend(captures.close().map(|(_, socket)| socket));
        }
    }
}
