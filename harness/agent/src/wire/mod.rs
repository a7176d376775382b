//! The wire: listeners, captures and probes in every namespace that the agent can enter.
//!
//! A socket stays for its life in the network namespace in which it was opened. So the agent goes in, opens, comes home,
//! and looks after all of them from one loop ([`crate::input::Input::wait`]).
//!
//! | module | what is in it |
//! |---|---|
//! | [`open`], [`close`] | the sockets of an act, from [`plumbline_core::protocol::Op::WireOpen`] to `WireClose` |
//! | [`listen`] | listeners that answer with the peer's address |
//! | [`capture`], [`filter`] | captures, and what the kernel lets through to them |
//! | [`frame`] | looking into frames: tags, addresses |
//! | [`act`] | probes side by side, with their repetitions and deadlines |
//! | [`icmp`], [`udp`], [`tcp`], [`neighbour`], [`control`] | the kinds of probes |
//! | [`socket`] | sockets to ask by |
//! | [`refusal`] | what the network and the kernel say instead of an answer |
//! | [`packets`] | frames by hand |

pub mod act;
pub mod capture;
pub mod close;
pub mod control;
pub mod filter;
pub mod frame;
pub mod icmp;
pub mod listen;
pub mod neighbour;
pub mod open;
pub mod packets;
pub mod refusal;
pub mod socket;
pub mod tcp;
pub mod udp;

pub use open::Wire;
