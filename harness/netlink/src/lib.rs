//! Blocking netlink verbs and namespace entering, for Plumbline's single-threaded programs: the agent and the plugins.
//!
//! One [`Netlink`] is one `NETLINK_ROUTE` socket. A socket belongs for its whole life to the network namespace it was
//! opened in, so a program that looks after many namespaces keeps one socket for each
//! ([`Netlink::open_in`](socket::Netlink::open_in)) and need not enter a namespace for every request.
//!
//! | module | what is in it |
//! |---|---|
//! | [`socket`] | opening, request with acknowledgement, dumps that are asked again when they were torn |
//! | [`link`] | listing, looking up, making, changing and deleting links |
//! | [`address`] | listing, adding and deleting addresses |
//! | [`route`] | listing (all tables, both families), adding, deleting, and asking which route is taken |
//! | [`rule`] | listing, adding and deleting policy routing rules |
//! | [`neighbour`] | hardware addresses by decree; for whom a node answers |
//! | [`bridge`] | what a bridge does: VLAN filtering, forward delay, the VLANs of a port |
//! | [`raw`] | packet sockets: whole frames, in and out, with the tag that the kernel takes out |
//! | [`namespace`] | opening, entering and comparing network namespaces |
//! | [`error`] | the error type, which keeps the kernel's errno |
//!
//! The messages themselves (`LinkMessage`, `RouteMessage` and so on) are those of `netlink-packet-route`; it is
//! re-exported as [`packet`], so that users of this crate need no version of their own.

pub mod address;
pub mod bridge;
pub mod error;
pub mod link;
pub mod namespace;
pub mod neighbour;
pub mod raw;
pub mod route;
pub mod rule;
pub mod socket;
pub mod vlan;

pub use address::NewAddress;
pub use error::{Error, Result, errno_text};
pub use link::{LinkKind, NewLink};
pub use netlink_packet_route as packet;
pub use nix::errno::Errno;
pub use route::{Add, NewRoute};
pub use rule::NewRule;
pub use socket::Netlink;
