//! Blocking netlink and namespace entering, for Plumbline's single-threaded programs: the agent and the plugins.
//!
//! One [`Netlink`] is one `NETLINK_ROUTE` socket. A socket belongs for its life to the network namespace in which it was
//! opened. So a program with many namespaces keeps one socket for each ([`Netlink::open_in`](socket::Netlink::open_in)) and
//! need not enter a namespace for every request.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. [`error`]: the error type, which keeps the kernel's errno
//! 2. [`namespace`]: opening, entering and comparing network namespaces
//! 3. [`socket`]: opening, requests with acknowledgement, dumps that are repeated when they were interrupted
//! 4. [`link`]: listing, finding, adding, changing and deleting links; hardware addresses as text
//! 5. [`bridge`]: settings of bridges and of their ports; priority bits of VLAN links
//! 6. [`address`]: listing, adding and deleting addresses; permanent and proxy neighbours
//! 7. [`route`]: listing (all tables, both families), adding and deleting routes; the route of an address
//! 8. [`rule`]: listing, adding and deleting policy routing rules
//! 9. [`netfilter`]: the generation of the nftables rules
//! 10. [`queueing`]: listing queueing disciplines, replacing that of a link
//! 11. [`raw`]: packet sockets: whole frames, in and out, with the tag that the kernel removes
//!
//! The messages (`LinkMessage`, `RouteMessage` and so on) are those of `netlink-packet-route`, which is re-exported as
//! [`packet`].

/// A closure that gives a value where its argument matches a pattern; for the attributes of a message.
#[macro_export]
macro_rules! pick {
    ($pattern:pat => $value:expr) => {
        |found| match found {
            $pattern => Some($value),
            _ => None,
        }
    };
}

pub mod address;
pub mod bridge;
pub mod error;
pub mod link;
pub mod namespace;
pub mod netfilter;
pub mod queueing;
pub mod raw;
pub mod route;
pub mod rule;
pub mod socket;

pub use address::NewAddress;
pub use error::{Error, Result, errno_text};
pub use link::{LinkKind, NewLink};
pub use netlink_packet_route as packet;
pub use nix::errno::Errno;
pub use route::{Add, NewRoute};
pub use rule::NewRule;
pub use socket::Netlink;
