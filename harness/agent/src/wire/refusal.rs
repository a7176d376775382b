//! What the network and the kernel say instead of an answer: ICMP errors from a socket's error queue (`ip(7)`,
//! `IP_RECVERR`), and errnos.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc::sock_extended_err;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use plumbline_core::wire::ProbeEnd;
use plumbline_netlink::errno_text;

/// Who reports an error (`linux/errqueue.h`).
const ORIGIN_LOCAL: u8 = 1;
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;

/// An error that came back for something that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    origin: u8,
    kind: u8,
    code: u8,
    errno: i32,
    by: Option<IpAddr>,
    /// The beginning of what it is about, from behind its IP header.
    pub packet: Vec<u8>,
}

impl Refusal {
    /// How it ends a probe that was sent from `own`; none for what ends none. That the sender's own kernel found no
    /// neighbour (it then tells itself so) is no refusal: nobody answered.
    #[must_use]
    pub fn end(&self, own: Option<IpAddr>) -> Option<ProbeEnd> {
        let by_self = self.by.is_none() || self.by == own;
        let what = match (self.origin, self.kind, self.code) {
            (ORIGIN_ICMP, 3, 3) | (ORIGIN_ICMP6, 1, 4) => return Some(ProbeEnd::Refused),
            (ORIGIN_ICMP, 3, 1) | (ORIGIN_ICMP6, 1, 3) if by_self => return None,
            (ORIGIN_ICMP, 3, 0) => "network unreachable",
            (ORIGIN_ICMP, 3, 1) => "host unreachable",
            (ORIGIN_ICMP, 3, 2) => "protocol unreachable",
            (ORIGIN_ICMP, 3, 4) => "fragmentation needed",
            (ORIGIN_ICMP, 3, 9) => "network administratively prohibited",
            (ORIGIN_ICMP, 3, 10) => "host administratively prohibited",
            (ORIGIN_ICMP, 3, 13) | (ORIGIN_ICMP6, 1, 1) => "administratively prohibited",
            (ORIGIN_ICMP, 11, 0) | (ORIGIN_ICMP6, 3, 0) => "time to live exceeded on the way (a routing loop?)",
            (ORIGIN_ICMP, 3 | 11 | 12, _) => "unreachable",
            (ORIGIN_ICMP6, 1, 0) => "no route to destination",
            (ORIGIN_ICMP6, 1, 2) => "beyond scope of source address",
            (ORIGIN_ICMP6, 1, 3) => "address unreachable",
            (ORIGIN_ICMP6, 1, 5) => "source address failed policy",
            (ORIGIN_ICMP6, 1, 6) => "reject route to destination",
            (ORIGIN_ICMP6, 2, _) => "packet too big",
            (ORIGIN_ICMP6, 1 | 3 | 4, _) => "unreachable",
            (ORIGIN_LOCAL, ..) => return unreachable(Errno::from_raw(self.errno)),
            _ => return None,
        };
        Some(ProbeEnd::Filtered { what: what.to_owned(), by: self.by })
    }
}

/// Takes all that came back on a socket.
pub fn queue(socket: impl AsFd) -> Vec<Refusal> {
    let descriptor = socket.as_fd().as_raw_fd();
    let mut found = Vec::new();
    loop {
        let mut bytes = [0; 256];
        let mut control = vec![0; 512];
        let mut room = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let Ok(got) = recvmsg::<SockaddrStorage>(descriptor, &mut room, Some(&mut control), flags) else {
            return found;
        };
        let told = got.cmsgs().into_iter().flatten().find_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, from) => {
                Some((error, from.map(|from| Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr)).into())))
            }
            ControlMessageOwned::Ipv6RecvErr(error, from) => {
                Some((error, from.map(|from| Ipv6Addr::from(from.sin6_addr.s6_addr).into())))
            }
            _ => None,
        });
        let length = got.bytes;
        if let Some((error, by)) = told {
            found.push(refusal(&error, by, bytes[..length].to_vec()));
        }
    }
}

fn refusal(error: &sock_extended_err, by: Option<IpAddr>, packet: Vec<u8>) -> Refusal {
    // Where nobody is named the kernel gives an address of zeros.
    let by = by.filter(|by| !by.is_unspecified());
    let errno = i32::try_from(error.ee_errno).unwrap_or_default();
    Refusal { origin: error.ee_origin, kind: error.ee_type, code: error.ee_code, errno, by, packet }
}

/// How a probe ends that the sender's own kernel does not let out; none where it may still be answered.
#[must_use]
pub fn unreachable(errno: Errno) -> Option<ProbeEnd> {
    let filtered = |what: &str| Some(ProbeEnd::Filtered { what: what.to_owned(), by: None });
    match errno {
        Errno::ENETUNREACH => Some(ProbeEnd::NoRoute),
        Errno::ECONNREFUSED => Some(ProbeEnd::Refused),
        Errno::EPERM => filtered("refused by a packet filter of the sender's own namespace"),
        Errno::EACCES => filtered("prohibited by a route of the sender's own namespace"),
        Errno::EINVAL => filtered("swallowed by a route of the sender's own namespace (blackhole)"),
        // Of the neighbour, or of nobody in time.
        Errno::EHOSTUNREACH | Errno::EHOSTDOWN | Errno::ETIMEDOUT | Errno::ENOBUFS | Errno::EAGAIN => None,
        other => Some(ProbeEnd::Unable { why: errno_text(other) }),
    }
}

/// How a probe ends for which the kernel, asked for the way alone, gives this: nothing was sent yet.
#[must_use]
pub fn no_way(errno: Errno) -> ProbeEnd {
    match errno {
        // An `unreachable` route; no neighbour was asked yet.
        Errno::EHOSTUNREACH => ProbeEnd::NoRoute,
        other => unreachable(other).unwrap_or_else(|| ProbeEnd::Unable { why: errno_text(other) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(origin: u8, kind: u8, code: u8, by: &str) -> Option<ProbeEnd> {
        let by = by.parse().ok();
        let refusal = Refusal { origin, kind, code, errno: 0, by, packet: Vec::new() };
        refusal.end("10.0.0.2".parse().ok())
    }

    #[test]
    fn refusals_are_told_apart_by_what_and_by_whom() {
        assert_eq!(told(ORIGIN_ICMP, 3, 3, "10.0.0.1"), Some(ProbeEnd::Refused));
        assert_eq!(told(ORIGIN_ICMP6, 1, 4, "2001:db8::1"), Some(ProbeEnd::Refused));
        assert_eq!(told(ORIGIN_ICMP, 3, 1, "10.0.0.2"), None, "our own kernel found no neighbour");
        let far = Some(ProbeEnd::Filtered { what: "host unreachable".into(), by: "10.0.0.1".parse().ok() });
        assert_eq!(told(ORIGIN_ICMP, 3, 1, "10.0.0.1"), far, "another's did not");
        assert!(matches!(told(ORIGIN_ICMP, 3, 13, "10.0.0.1"), Some(ProbeEnd::Filtered { .. })));
        assert_eq!(told(ORIGIN_ICMP, 4, 0, "10.0.0.1"), None, "source quench");
    }

    #[test]
    fn the_way_alone_has_no_neighbours() {
        assert_eq!(no_way(Errno::EHOSTUNREACH), ProbeEnd::NoRoute);
        assert_eq!(unreachable(Errno::EHOSTUNREACH), None);
        assert_eq!(no_way(Errno::ENETUNREACH), ProbeEnd::NoRoute);
    }
}
