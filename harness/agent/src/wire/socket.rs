//! Sockets to ask by.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, getsockname, setsockopt, socket,
    sockopt,
};
use plumbline_core::wire::ProbeEnd;
use plumbline_netlink::errno_text;

use super::listen::address;
use super::refusal::no_way;

/// A socket that does not block, tells what comes back ([`super::refusal::queue`]), and is bound as wished, in the
/// namespace this thread is in.
///
/// # Errors
/// That it can't be made: the bed's fault, or the scenario's (an address that is not there).
pub fn open(
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
    let listening = match to {
        IpAddr::V4(_) => setsockopt(&opened, sockopt::Ipv4RecvErr, &true),
        IpAddr::V6(_) => setsockopt(&opened, sockopt::Ipv6RecvErr, &true),
    };
    listening.map_err(unable("listen to errors".to_owned()))?;
    if let Some(dev) = dev {
        setsockopt(&opened, sockopt::BindToDevice, &dev.into()).map_err(unable(format!("bind to interface {dev}")))?;
    }
    if let Some(from) = from {
        let at = SockaddrStorage::from(SocketAddr::new(from, 0));
        bind(opened.as_raw_fd(), &at).map_err(unable(format!("bind to {from}")))?;
    }
    Ok(opened)
}

/// Fixes the far end, and so the way there and the address to ask from. Nothing is sent.
///
/// # Errors
/// That there is no way.
pub fn fix(socket: impl AsFd, to: SocketAddr) -> Result<(), ProbeEnd> {
    connect(socket.as_fd().as_raw_fd(), &SockaddrStorage::from(to)).map_err(no_way)
}

/// The address that a socket asks from.
pub fn own(socket: impl AsFd) -> Option<IpAddr> {
    let name: SockaddrStorage = getsockname(socket.as_fd().as_raw_fd()).ok()?;
    Some(address(&name)?.ip())
}

/// The port of a probe that needs one.
///
/// # Errors
/// A probe without one.
pub fn wants_port(port: Option<u16>) -> Result<u16, ProbeEnd> {
    port.ok_or_else(|| ProbeEnd::Unable { why: "UDP and TCP need a port, and none was given".to_owned() })
}
