//! The generation of the nftables rules: a number that the kernel raises with every change of a namespace's rules.

use netlink_packet_core::NLM_F_REQUEST;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use crate::error::{Error, Result};

/// `NFNL_SUBSYS_NFTABLES` (`linux/netfilter/nfnetlink.h`).
const SUBSYSTEM: u16 = 10;
/// `NFT_MSG_NEWGEN` and `NFT_MSG_GETGEN` (`linux/netfilter/nf_tables.h`).
const NEW_GENERATION: u16 = SUBSYSTEM << 8 | 15;
const GET_GENERATION: u16 = SUBSYSTEM << 8 | 16;
/// `NFTA_GEN_ID`.
const GENERATION_ID: u16 = 1;

const HEADER_BYTES: usize = 16;
/// `struct nfgenmsg`: family, version, resource.
const FAMILY_BYTES: usize = 4;
const WHAT: &str = "read the generation of the nftables rules";

/// A netfilter socket of the network namespace in which it was opened.
pub struct Netfilter {
    socket: Socket,
}

impl Netfilter {
    /// Opens a socket in the current network namespace.
    pub fn open() -> Result<Self> {
        let failed = |source| Error::io("open a netfilter socket", source);
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(failed)?;
        socket.bind_auto().map_err(failed)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
        Ok(Self { socket })
    }

    /// The generation of the namespace's nftables rules.
    ///
    /// # Errors
    /// [`Error::Answer`] if the kernel has no nftables.
    pub fn ruleset_generation(&mut self) -> Result<u32> {
        let failed = |source| Error::io(WHAT, source);
        let length = u32::try_from(HEADER_BYTES + FAMILY_BYTES).unwrap_or_default();
        let mut request = Vec::with_capacity(HEADER_BYTES + FAMILY_BYTES);
        request.extend(length.to_ne_bytes());
        request.extend(GET_GENERATION.to_ne_bytes());
        request.extend(NLM_F_REQUEST.to_ne_bytes());
        request.extend([0; HEADER_BYTES - 8 + FAMILY_BYTES]);
        self.socket.send(&request, 0).map_err(failed)?;
        let mut answer = Vec::with_capacity(1024);
        self.socket.recv(&mut answer, 0).map_err(failed)?;
        find_generation(&answer)
            .ok_or_else(|| Error::Answer { what: WHAT.to_owned(), problem: "the kernel gave no generation".to_owned() })
    }
}

/// The generation in an answer: behind header and family, one attribute after another.
fn find_generation(answer: &[u8]) -> Option<u32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if kind != NEW_GENERATION {
        return None;
    }
    let mut rest = answer.get(HEADER_BYTES + FAMILY_BYTES..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        let value = rest.get(4..length)?;
        if kind == GENERATION_ID {
            return Some(u32::from_be_bytes(value.try_into().ok()?));
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_is_found_in_an_answer_only() {
        let mut answer = vec![0; HEADER_BYTES + FAMILY_BYTES];
        answer[4..6].copy_from_slice(&NEW_GENERATION.to_ne_bytes());
        answer.extend([8u16.to_ne_bytes(), GENERATION_ID.to_ne_bytes()].concat());
        answer.extend(7u32.to_be_bytes());
        assert_eq!(find_generation(&answer), Some(7));
        assert_eq!(find_generation(&answer[..20]), None);
        answer[4] = 2;
        assert_eq!(find_generation(&answer), None);
        assert_eq!(find_generation(&[]), None);
    }
}
