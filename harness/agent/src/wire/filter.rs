//! What the kernel lets through to a capture: classic BPF (`linux/filter.h`), written for the interfaces and addresses.
//!
//! Frames come to the filter without the tag that the kernel took out, so there are as many tags in them as on the wire
//! or one less; all depths up to two are looked at. A program that gets too long lets through every frame of a protocol
//! that could carry an address; the agent looks at each frame again in any case.

use std::net::IpAddr;

use plumbline_netlink::raw::{Instruction, KEPT_BYTES};

use super::frame::{ARP, CONTROL, IPV4, IPV6, TAGS};

/// Beyond this many instructions the filter becomes coarse. The kernel takes 4096, but charges them to a limit that is
/// 20 kB on older hosts (`net.core.optmem_max`).
const LONGEST: usize = 500;

/// `BPF_LD|BPF_W|BPF_ABS`, `BPF_LD|BPF_H|BPF_ABS`, `BPF_LD|BPF_W|BPF_IND`, `BPF_LD|BPF_B|BPF_IND`, `BPF_LDX|BPF_IMM`.
const WORD_AT: u16 = 0x20;
const HALF_AT: u16 = 0x28;
const WORD_BEHIND: u16 = 0x40;
const BYTE_BEHIND: u16 = 0x50;
const SET_X: u16 = 0x01;
/// `BPF_JMP|BPF_JA`, `BPF_JMP|BPF_JEQ|BPF_K`, `BPF_RET|BPF_K`.
const GO: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const GIVE: u16 = 0x06;

/// Where the interface's index is found (`SKF_AD_OFF + SKF_AD_IFINDEX`).
const INTERFACE: u32 = 0xffff_f008;

const ICMPV6: u32 = 58;

/// One interface, by index, and the addresses wanted there; none means every frame.
pub type Wanted<'a> = (u32, &'a [IpAddr]);

/// The program for these interfaces of one namespace.
#[must_use]
pub fn program(wanted: &[Wanted]) -> Vec<Instruction> {
    let exact = whole(wanted, true);
    if exact.len() <= LONGEST { exact } else { coarse(wanted) }
}

/// The program that looks at protocols alone.
#[must_use]
pub fn coarse(wanted: &[Wanted]) -> Vec<Instruction> {
    whole(wanted, false)
}

fn whole(wanted: &[Wanted], exact: bool) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (index, addresses) in wanted {
        let body = body(addresses, exact);
        program.push(Instruction(WORD_AT, 0, 0, INTERFACE));
        program.push(Instruction(IF_EQUAL, 1, 0, *index));
        program.push(go(body.len()));
        // What the body does not let through may still be wanted by another capture of the same interface.
        program.extend(body);
    }
    program.push(Instruction(GIVE, 0, 0, 0));
    program
}

fn go(over: usize) -> Instruction {
    Instruction(GO, 0, 0, u32::try_from(over).unwrap_or(u32::MAX))
}

const KEEP: Instruction = Instruction(GIVE, 0, 0, KEPT_BYTES);

/// Lets through what is wanted, and runs out at its end for the rest.
fn body(addresses: &[IpAddr], exact: bool) -> Vec<Instruction> {
    if addresses.is_empty() {
        return vec![KEEP];
    }
    let families = families(addresses, exact);
    let mut program = Vec::new();
    // The EtherType behind up to two tags into A, the place behind it into X.
    for depth in 0_u32..3 {
        let at = 12 + 4 * depth;
        program.push(Instruction(HALF_AT, 0, 0, at));
        program.push(Instruction(SET_X, 0, 0, at + 2));
        // To the next depth where it is a tag, else over all deeper ones: each of them is five long.
        program.push(Instruction(IF_EQUAL, 2, 0, TAGS[0].into()));
        program.push(Instruction(IF_EQUAL, 1, 0, TAGS[1].into()));
        program.push(go(5 * (2 - depth as usize)));
    }
    program.push(Instruction(IF_EQUAL, 0, 1, CONTROL.into()));
    program.push(KEEP);
    let mut left: usize = families.iter().map(|(_, part)| part.len() + 2).sum();
    for (kind, part) in families {
        left -= part.len() + 2;
        program.push(Instruction(IF_EQUAL, 1, 0, kind.into()));
        program.push(go(part.len()));
        // A part ends with its own way out, since A is another by then.
        let mut part = part;
        if let Some(last) = part.last_mut() {
            *last = go(left);
        }
        program.extend(part);
    }
    program
}

/// For each EtherType the part that looks for the addresses; its last instruction is to be the way out.
fn families(addresses: &[IpAddr], exact: bool) -> Vec<(u16, Vec<Instruction>)> {
    let way_out = go(0);
    if !exact {
        return [IPV4, ARP, IPV6].map(|kind| (kind, vec![KEEP, way_out])).to_vec();
    }
    let four: Vec<u32> = addresses.iter().filter_map(|one| v4(*one)).collect();
    let six: Vec<[u32; 4]> = addresses.iter().filter_map(|one| v6(*one)).collect();
    let words = |places: [u32; 2]| -> Vec<Instruction> {
        let each = places.iter().flat_map(|place| {
            let tried = four.iter().flat_map(|one| [Instruction(IF_EQUAL, 0, 1, *one), KEEP]);
            std::iter::once(Instruction(WORD_BEHIND, 0, 0, *place)).chain(tried)
        });
        each.chain([way_out]).collect()
    };
    let mut longer: Vec<Instruction> =
        [8, 24].iter().flat_map(|place| six.iter().flat_map(|one| eight(one, *place))).collect();
    // The target of neighbour discovery is looked at in ICMPv6 alone.
    let targets: Vec<Instruction> = six.iter().flat_map(|one| eight(one, 48)).collect();
    longer.extend([Instruction(BYTE_BEHIND, 0, 0, 6), Instruction(IF_EQUAL, 1, 0, ICMPV6), go(targets.len())]);
    longer.extend(targets);
    longer.push(way_out);
    vec![(IPV4, words([12, 16])), (ARP, words([14, 24])), (IPV6, longer)]
}

/// Compares the sixteen bytes at a place behind X.
fn eight(address: &[u32; 4], place: u32) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (number, word) in address.iter().enumerate() {
        let number = u8::try_from(number).unwrap_or_default();
        program.push(Instruction(WORD_BEHIND, 0, 0, place + 4 * u32::from(number)));
        // On a difference over the rest of the words and the way to keep it.
        program.push(Instruction(IF_EQUAL, 0, 2 * (3 - number) + 1, *word));
    }
    program.push(KEEP);
    program
}

fn v4(address: IpAddr) -> Option<u32> {
    match address {
        IpAddr::V4(address) => Some(u32::from(address)),
        IpAddr::V6(_) => None,
    }
}

fn v6(address: IpAddr) -> Option<[u32; 4]> {
    let IpAddr::V6(address) = address else { return None };
    let o = address.octets();
    Some([0, 4, 8, 12].map(|at| u32::from_be_bytes([o[at], o[at + 1], o[at + 2], o[at + 3]])))
}
