//! Packet sockets (`packet(7)`): whole frames, in and out.
//!
//! The kernel removes the outermost VLAN tag from a frame and passes it separately (`PACKET_AUXDATA`). This module puts it
//! back, so that a frame is as it was on the wire. A socket is not bound to an interface, because that waits for a grace
//! period of the kernel (10 to 20 ms, `packet_do_bind`); the filter selects interfaces instead. Closing a socket waits for a
//! grace period too (`packet_release`).

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, sendto,
    setsockopt, socket, sockopt,
};
use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};
use socket2::SockFilter;

use crate::error::{Error, Result};

/// The most bytes that are kept of a frame, before its tag is put back.
pub const KEPT_BYTES: u32 = 256;

/// The receive buffer of a socket, in bytes of kernel memory. The kernel doubles it (`socket(7)`), and a small frame takes
/// about 800.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Set in a frame's status when a tag was removed, and when its EtherType is passed too (`linux/if_packet.h`).
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;

const CUSTOMER_TAG: u16 = 0x8100;

/// Both MAC addresses, before the tag.
const MACS_BYTES: usize = 12;

// nix's macros for socket options that it does not have; the unsafe code is inside nix.
sockopt_impl!(
    /// Passes the removed tag.
    PacketAuxdata, SetOnly, libc::SOL_PACKET, libc::PACKET_AUXDATA, bool
);
sockopt_impl!(
    /// Counters since the last read.
    PacketStatistics, GetOnly, libc::SOL_PACKET, libc::PACKET_STATISTICS, libc::tpacket_stats
);

/// One instruction of classic BPF (`linux/filter.h`): code, jumps when true and when false, value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction(pub u16, pub u8, pub u8, pub u32);

/// Passes no frame (`BPF_RET`).
const PASS_NONE: [Instruction; 1] = [Instruction(0x06, 0, 0, 0)];

/// A frame that a socket saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Microseconds since the Unix epoch, by the kernel.
    pub at_us: u64,
    /// The interface's index.
    pub index: u32,
    /// Whether the interface sent it.
    pub outgoing: bool,
    /// The frame from its destination address on, with its tag, cut at [`KEPT_BYTES`] (and four for the tag).
    pub bytes: Vec<u8>,
    /// Its length on the wire.
    pub length: u32,
}

/// A packet socket of all protocols and all interfaces of the network namespace in which it was opened.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Opens one that receives nothing until [`set_filter`](Self::set_filter) passes frames.
    ///
    /// # Errors
    /// [`Error::Io`]: `EPERM` without `CAP_NET_RAW` in the namespace's user namespace.
    pub fn open() -> Result<Self> {
        let what = "open a packet socket";
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
            .map_err(|errno| Error::io(what, errno))?;
        let socket = Self { fd };
        socket.set_filter(&PASS_NONE)?;
        let set = |done: nix::Result<()>, option: &str| done.map_err(|errno| Error::io(format!("set {option}"), errno));
        set(setsockopt(&socket.fd, PacketAuxdata, &true), "PACKET_AUXDATA")?;
        set(setsockopt(&socket.fd, sockopt::ReceiveTimestampns, &true), "SO_TIMESTAMPNS")?;
        // Exceeding the host's limit needs privileges in the host's first user namespace.
        if setsockopt(&socket.fd, sockopt::RcvBufForce, &BUFFER_BYTES).is_err() {
            set(setsockopt(&socket.fd, sockopt::RcvBuf, &BUFFER_BYTES), "SO_RCVBUF")?;
        }
        // Frames that arrived before the filter was set.
        while socket.receive()?.is_some() {}
        socket.dropped()?;
        Ok(socket)
    }

    /// Sets the program that decides which frames are received, and how many bytes of each.
    ///
    /// # Errors
    /// [`Error::Io`]: `ENOMEM` when it is too long for the host's limit (`net.core.optmem_max`).
    pub fn set_filter(&self, program: &[Instruction]) -> Result<()> {
        let program: Vec<SockFilter> = program.iter().map(|one| SockFilter::new(one.0, one.1, one.2, one.3)).collect();
        socket2::SockRef::from(&self.fd)
            .attach_filter(&program)
            .map_err(|source| Error::io("attach a packet filter", source))
    }

    /// The next frame; none when there is none now.
    ///
    /// # Errors
    /// What recvmsg(2) gives. An interface that goes down is no error.
    pub fn receive(&self) -> Result<Option<Frame>> {
        let mut bytes = vec![0; KEPT_BYTES as usize];
        let mut control = vec![0; 256];
        loop {
            let mut room = [IoSliceMut::new(&mut bytes)];
            match recvmsg::<LinkAddr>(self.fd.as_raw_fd(), &mut room, Some(&mut control), MsgFlags::empty()) {
                Ok(got) => {
                    let (mut aux, mut at_us) = (AuxData::default(), 0);
                    for message in got.cmsgs().map_err(|errno| Error::io("read a packet", errno))? {
                        match message {
                            ControlMessageOwned::ScmTimestampns(at) => at_us = micros(at.tv_sec(), at.tv_nsec()),
                            ControlMessageOwned::Unknown(other)
                                if (other.cmsg_header.cmsg_level, other.cmsg_header.cmsg_type)
                                    == (libc::SOL_PACKET, libc::PACKET_AUXDATA) =>
                            {
                                aux = AuxData::read(&other.data_bytes);
                            }
                            _ => {}
                        }
                    }
                    let (from, length) = (got.address, got.bytes);
                    bytes.truncate(length);
                    let outgoing = from.is_some_and(|from| from.pkttype() == libc::PACKET_OUTGOING);
                    let index = from.and_then(|from| u32::try_from(from.ifindex()).ok()).unwrap_or_default();
                    let length = aux.put_back(&mut bytes);
                    return Ok(Some(Frame { at_us, index, outgoing, bytes, length }));
                }
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR | Errno::ENETDOWN) => {}
                Err(errno) => return Err(Error::io("read a packet", errno)),
            }
        }
    }

    /// Sends a frame, from its destination address on, by an interface of [`ports`].
    ///
    /// # Errors
    /// [`Error::Io`]: `ENETDOWN` when the interface is down, `ENXIO` when it is gone.
    pub fn send(&self, port: &LinkAddr, frame: &[u8]) -> Result<()> {
        sendto(self.fd.as_raw_fd(), frame, port, MsgFlags::empty())
            .map(drop)
            .map_err(|errno| Error::io(format!("send a frame by interface {}", port.ifindex()), errno))
    }

    /// How many frames were dropped since the last call because the buffer was full.
    ///
    /// # Errors
    /// What getsockopt(2) gives.
    pub fn dropped(&self) -> Result<u32> {
        nix::sys::socket::getsockopt(&self.fd, PacketStatistics)
            .map(|seen| seen.tp_drops)
            .map_err(|errno| Error::io("read PACKET_STATISTICS", errno))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The interfaces of the current namespace, by name: index and hardware address, to send by.
///
/// # Errors
/// What listing gives.
pub fn ports() -> Result<BTreeMap<String, LinkAddr>> {
    let listed = nix::ifaddrs::getifaddrs().map_err(|errno| Error::io("list interfaces", errno))?;
    Ok(listed.filter_map(|one| Some((one.interface_name, *one.address?.as_link_addr()?))).collect())
}

fn micros(seconds: i64, nanos: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default() * 1_000_000 + u64::try_from(nanos).unwrap_or_default() / 1000
}

/// What the kernel passes beside a frame (`struct tpacket_auxdata`).
#[derive(Default)]
struct AuxData {
    length: u32,
    tag: Option<(u16, u16)>,
}

impl AuxData {
    fn read(bytes: &[u8]) -> Self {
        let word = |at: usize| bytes.get(at..at + 4).map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
        let half = |at: usize| bytes.get(at..at + 2).map_or(0, |b| u16::from_ne_bytes([b[0], b[1]]));
        let status = word(0);
        // Kernels before 3.14 do not pass the EtherType; it is that of 802.1Q then.
        let protocol = if status & TP_STATUS_VLAN_TPID_VALID != 0 { half(18) } else { CUSTOMER_TAG };
        Self { length: word(4), tag: (status & TP_STATUS_VLAN_VALID != 0).then(|| (protocol, half(16))) }
    }

    /// Puts the tag back behind the MAC addresses; gives the frame's length on the wire.
    fn put_back(&self, frame: &mut Vec<u8>) -> u32 {
        let length = self.length.max(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        match self.tag {
            Some((protocol, control)) if frame.len() >= MACS_BYTES => {
                let tag = [protocol.to_be_bytes(), control.to_be_bytes()].concat();
                frame.splice(MACS_BYTES..MACS_BYTES, tag);
                length + 4
            }
            _ => length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_tag_is_put_back() {
        let mut aux = vec![0; 20];
        aux[..4].copy_from_slice(&(TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID).to_ne_bytes());
        aux[4..8].copy_from_slice(&60_u32.to_ne_bytes());
        aux[16..18].copy_from_slice(&0x6064_u16.to_ne_bytes());
        aux[18..].copy_from_slice(&0x88a8_u16.to_ne_bytes());
        let mut frame: Vec<u8> = (0..60).collect();
        assert_eq!(AuxData::read(&aux).put_back(&mut frame), 64);
        assert_eq!(frame[10..18], [10, 11, 0x88, 0xa8, 0x60, 0x64, 12, 13]);

        aux[..4].copy_from_slice(&0_u32.to_ne_bytes());
        let mut plain: Vec<u8> = (0..60).collect();
        assert_eq!(AuxData::read(&aux).put_back(&mut plain), 60);
        assert_eq!(plain, (0..60).collect::<Vec<u8>>());
    }
}
