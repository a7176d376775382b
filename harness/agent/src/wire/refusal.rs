//! Refusals: ICMP errors from a socket's error queue (`ip(7)`, `IP_RECVERR`), and errnos, as ends of probes.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc::sock_extended_err;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use plumbline_core::wire::ProbeEnd;
use plumbline_netlink::errno_text;

/// The origins of an error (`linux/errqueue.h`).
const ORIGIN_LOCAL: u8 = 1;
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;

/// An error that came back for a sent packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    origin: u8,
    kind: u8,
    code: u8,
    errno: i32,
    by: Option<IpAddr>,
    /// The start of the sent packet, after its IP header.
    pub packet: Vec<u8>,
}

impl Refusal {
    /// The end of a probe that was sent from `own`; none for an error that does not end it. An error that the sender's own
    /// kernel reports because it found no neighbour is no refusal: there was no answer.
    pub fn probe_end(&self, own: Option<IpAddr>) -> Option<ProbeEnd> {
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
            (ORIGIN_LOCAL, ..) => return end_for_errno(Errno::from_raw(self.errno)),
            _ => return None,
        };
        Some(ProbeEnd::Filtered { what: what.to_owned(), by: self.by })
    }
}

/// Reads the error queue of a socket.
pub fn read_refusals(socket: impl AsFd) -> Vec<Refusal> {
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
        let report = got.cmsgs().into_iter().flatten().find_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, from) => {
                Some((error, from.map(|from| Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr)).into())))
            }
            ControlMessageOwned::Ipv6RecvErr(error, from) => {
                Some((error, from.map(|from| Ipv6Addr::from(from.sin6_addr.s6_addr).into())))
            }
            _ => None,
        });
        let length = got.bytes;
        if let Some((error, by)) = report {
            found.push(new_refusal(&error, by, bytes[..length].to_vec()));
        }
    }
}

fn new_refusal(error: &sock_extended_err, by: Option<IpAddr>, packet: Vec<u8>) -> Refusal {
    // Without a sender the kernel gives an address of zeros.
    let by = by.filter(|by| !by.is_unspecified());
    let errno = i32::try_from(error.ee_errno).unwrap_or_default();
    Refusal { origin: error.ee_origin, kind: error.ee_type, code: error.ee_code, errno, by, packet }
}

/// The end of a probe that the sender's own kernel does not send; none where an answer is still possible.
pub fn end_for_errno(errno: Errno) -> Option<ProbeEnd> {
    let filtered = |what: &str| Some(ProbeEnd::Filtered { what: what.to_owned(), by: None });
    match errno {
        Errno::ENETUNREACH => Some(ProbeEnd::NoRoute),
        Errno::ECONNREFUSED => Some(ProbeEnd::Refused),
        Errno::EPERM => filtered("refused by a packet filter of the sender's namespace"),
        Errno::EACCES => filtered("prohibited by a route of the sender's namespace"),
        Errno::EINVAL => filtered("dropped by a blackhole route of the sender's namespace"),
        // The neighbour did not answer, or there was no answer in time.
        Errno::EHOSTUNREACH | Errno::EHOSTDOWN | Errno::ETIMEDOUT | Errno::ENOBUFS | Errno::EAGAIN => None,
        other => Some(ProbeEnd::Unable { why: errno_text(other) }),
    }
}

/// The end of a probe whose route lookup failed with this errno; nothing was sent.
pub fn end_for_route_errno(errno: Errno) -> ProbeEnd {
    match errno {
        // An `unreachable` route; there was no neighbour discovery yet.
        Errno::EHOSTUNREACH => ProbeEnd::NoRoute,
        other => end_for_errno(other).unwrap_or_else(|| ProbeEnd::Unable { why: errno_text(other) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(origin: u8, kind: u8, code: u8, by: &str) -> Option<ProbeEnd> {
        let by = by.parse().ok();
        let refusal = Refusal { origin, kind, code, errno: 0, by, packet: Vec::new() };
        refusal.probe_end("10.0.0.2".parse().ok())
    }

    #[test]
    fn refusals_differ_by_error_and_by_sender() {
        assert_eq!(end(ORIGIN_ICMP, 3, 3, "10.0.0.1"), Some(ProbeEnd::Refused));
        assert_eq!(end(ORIGIN_ICMP6, 1, 4, "2001:db8::1"), Some(ProbeEnd::Refused));
        assert_eq!(end(ORIGIN_ICMP, 3, 1, "10.0.0.2"), None, "our own kernel found no neighbour");
        let far = Some(ProbeEnd::Filtered { what: "host unreachable".into(), by: "10.0.0.1".parse().ok() });
        assert_eq!(end(ORIGIN_ICMP, 3, 1, "10.0.0.1"), far, "another host reports it");
        assert!(matches!(end(ORIGIN_ICMP, 3, 13, "10.0.0.1"), Some(ProbeEnd::Filtered { .. })));
        assert_eq!(end(ORIGIN_ICMP, 4, 0, "10.0.0.1"), None, "source quench");
    }

    #[test]
    fn a_failed_route_lookup_is_no_missing_neighbour() {
        assert_eq!(end_for_route_errno(Errno::EHOSTUNREACH), ProbeEnd::NoRoute);
        assert_eq!(end_for_errno(Errno::EHOSTUNREACH), None);
        assert_eq!(end_for_route_errno(Errno::ENETUNREACH), ProbeEnd::NoRoute);
    }
}
