//! Sockets of probes, and the trait of a probe that waits for its answer.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::PollFd;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, getsockname, setsockopt, socket,
    sockopt,
};
use plumbline_core::wire::ProbeEnd;
use plumbline_netlink::errno_text;

use super::refusal::end_for_route_errno;
use crate::sockets::listen::socket_address;

/// A probe that was sent and waits for its answer.
pub trait PendingProbe {
    /// Adds the descriptors to poll.
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>);

    /// Sends it once more.
    ///
    /// # Errors
    /// The end of a probe that cannot be sent.
    fn send(&mut self) -> Result<(), ProbeEnd>;

    /// Reads what arrived; returns the end of the probe, and when the answered packet was sent, where that is known.
    fn read_answer(&mut self) -> Option<(ProbeEnd, Option<Instant>)>;

    /// The end of the probe at the end of its window.
    fn end_of_window(&mut self) -> ProbeEnd {
        ProbeEnd::NoAnswer
    }
}

/// Opens a non-blocking socket in the current namespace, with an error queue ([`super::refusal::read_refusals`]), bound to
/// the given address and interface.
///
/// # Errors
/// [`ProbeEnd::Unable`], for example for an address that does not exist.
pub fn open_socket(
    kind: SockType,
    protocol: impl Into<Option<SockProtocol>>,
    to: IpAddr,
    from: Option<IpAddr>,
    dev: Option<&str>,
) -> Result<OwnedFd, ProbeEnd> {
    let unable = |what: String| move |errno: Errno| ProbeEnd::Unable { why: format!("{what}: {}", errno_text(errno)) };
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let opened = socket(family, kind, flags, protocol.into()).map_err(unable("open a socket".to_owned()))?;
    let error_queue = match to {
        IpAddr::V4(_) => setsockopt(&opened, sockopt::Ipv4RecvErr, &true),
        IpAddr::V6(_) => setsockopt(&opened, sockopt::Ipv6RecvErr, &true),
    };
    error_queue.map_err(unable("enable the error queue".to_owned()))?;
    if let Some(dev) = dev {
        setsockopt(&opened, sockopt::BindToDevice, &dev.into()).map_err(unable(format!("bind to interface {dev}")))?;
    }
    if let Some(from) = from {
        let at = SockaddrStorage::from(SocketAddr::new(from, 0));
        bind(opened.as_raw_fd(), &at).map_err(unable(format!("bind to {from}")))?;
    }
    Ok(opened)
}

/// Sets the far end, and so the route and the source address. Nothing is sent.
///
/// # Errors
/// [`ProbeEnd::NoRoute`] and other errors of the route lookup.
pub fn connect_socket(socket: impl AsFd, to: SocketAddr) -> Result<(), ProbeEnd> {
    connect(socket.as_fd().as_raw_fd(), &SockaddrStorage::from(to)).map_err(end_for_route_errno)
}

/// The source address of a socket.
pub fn source_address(socket: impl AsFd) -> Option<IpAddr> {
    let name: SockaddrStorage = getsockname(socket.as_fd().as_raw_fd()).ok()?;
    Some(socket_address(&name)?.ip())
}

/// The end of a probe that a text answered, as our listeners send it: the address that the far end saw.
pub fn answered_end(by: IpAddr, text: &[u8]) -> ProbeEnd {
    let saw = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
    ProbeEnd::Answered { by, mac: None, saw }
}

/// The port of a probe that needs one.
///
/// # Errors
/// [`ProbeEnd::Unable`] without a port.
pub fn require_port(port: Option<u16>) -> Result<u16, ProbeEnd> {
    port.ok_or_else(|| ProbeEnd::Unable { why: "port: expected one for UDP and TCP, found none".to_owned() })
}
