//! Requests of the wire: opening and closing listeners and captures, and sending probes.
//!
//! A socket belongs for its life to the namespace in which it was opened. The agent enters a namespace, opens the socket,
//! returns, and serves the sockets of all namespaces in one loop ([`crate::input::Input::wait`]).
//!
//! | module | what is in it |
//! |---|---|
//! | [`refusal`] | ICMP errors and errnos, as ends of probes |
//! | [`probe_socket`] | sockets of probes, and the trait of a probe that waits for its answer |
//! | [`icmp`], [`udp`], [`tcp`], [`neighbour`] | the kinds of probes |
//! | [`probe`] | probes side by side, with their repetitions and deadlines |
//! | [`open_close`] | the sockets from [`plumbline_core::protocol::Op::WireOpen`] to `WireClose` |

pub mod icmp;
pub mod neighbour;
pub mod open_close;
pub mod probe;
pub mod probe_socket;
pub mod refusal;
pub mod tcp;
pub mod udp;
