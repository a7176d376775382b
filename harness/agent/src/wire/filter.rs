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

#[cfg(test)]
mod tests {
    use super::super::frame::carries;
    use super::super::packets;
    use super::*;
    use std::net::Ipv4Addr;

    /// Runs a program on a frame of an interface, as the kernel does (`__bpf_prog_run` for the codes used here): how
    /// many bytes are kept. A load beyond the end drops the frame.
    fn kept(program: &[Instruction], index: u32, frame: &[u8]) -> u32 {
        let load = |at: u32, size: usize| -> Option<u32> {
            let at = at as usize;
            Some(frame.get(at..at + size)?.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
        };
        let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
        loop {
            let Instruction(code, yes, no, value) = program[at];
            at += 1;
            let loaded = match code {
                WORD_AT if value == INTERFACE => Some(index),
                WORD_AT => load(value, 4),
                HALF_AT => load(value, 2),
                WORD_BEHIND => load(x + value, 4),
                BYTE_BEHIND => load(x + value, 1),
                SET_X => {
                    x = value;
                    Some(a)
                }
                GO => {
                    at += value as usize;
                    Some(a)
                }
                IF_EQUAL => {
                    at += usize::from(if a == value { yes } else { no });
                    Some(a)
                }
                GIVE => return value,
                other => panic!("code {other:#x}"),
            };
            match loaded {
                Some(value) => a = value,
                None => return 0,
            }
        }
    }

    fn tagged(frame: &[u8], depth: usize) -> Vec<u8> {
        let mut frame = frame.to_vec();
        for number in 0..depth {
            let kind = TAGS[number % 2].to_be_bytes();
            frame.splice(12..12, [kind[0], kind[1], 0, 100]);
        }
        frame
    }

    fn ipv4(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        frame[26..30].copy_from_slice(&from);
        frame[30..34].copy_from_slice(&to);
        frame
    }

    fn ipv6(from: &str, to: &str) -> Vec<u8> {
        let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
        let mut frame = vec![0; 90];
        frame[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
        frame[20] = 17;
        frame[22..38].copy_from_slice(&octets(from));
        frame[38..54].copy_from_slice(&octets(to));
        frame
    }

    fn frames() -> Vec<Vec<u8>> {
        let mac = [2, 0, 0, 0, 0, 1];
        let own: Ipv4Addr = [10, 0, 0, 1].into();
        let mut frames = vec![
            ipv4([10, 0, 0, 1], [10, 0, 0, 2]),
            ipv4([10, 0, 0, 2], [10, 0, 0, 1]),
            ipv4([10, 0, 0, 3], [10, 0, 0, 2]),
            packets::who_has(mac, own, [10, 0, 0, 9].into()),
            packets::who_has(mac, [10, 0, 0, 9].into(), own),
            packets::who_has(mac, [10, 0, 0, 9].into(), [10, 0, 0, 8].into()),
            ipv6("fd00::1", "fd00::2"),
            ipv6("fd00::2", "fd00::1"),
            ipv6("fd00::2", "fd00::1:1"),
            packets::solicitation(mac, "fd00::9".parse().unwrap(), "fd00::1".parse().unwrap()),
            packets::solicitation(mac, "fd00::9".parse().unwrap(), "fd00::8".parse().unwrap()),
            packets::control(mac, &[], 0, "id"),
            // Neither of these: a protocol that carries no address.
            vec![0x88; 60],
        ];
        // The solicited address of another protocol's packet at the same place is no target.
        let mut looks_alike = frames[9].clone();
        looks_alike[20] = 17;
        frames.push(looks_alike);
        frames
    }

    #[test]
    fn the_kernel_lets_through_what_the_agent_keeps_at_any_depth() {
        let addresses: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let other: Vec<IpAddr> = vec!["10.0.0.3".parse().unwrap()];
        let program = program(&[(7, &addresses), (8, &other)]);
        for frame in frames() {
            for depth in 0..3 {
                let frame = tagged(&frame, depth);
                for (index, wanted) in [(7, &addresses), (8, &other)] {
                    let let_through = kept(&program, index, &frame) == KEPT_BYTES;
                    assert_eq!(let_through, carries(&frame, wanted), "{index} {depth} {frame:x?}");
                }
                assert_eq!(kept(&program, 9, &frame), 0, "another interface");
            }
        }
    }

    #[test]
    fn some_are_let_through_and_some_are_not() {
        let addresses: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let let_through: Vec<bool> = frames().iter().map(|frame| carries(frame, &addresses)).collect();
        let expected = [true, true, false, true, true, false, true, true, false, true, false, true, false, false];
        assert_eq!(let_through, expected);
    }

    #[test]
    fn two_captures_of_one_interface_get_what_either_wants() {
        let (one, two): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.3".parse().unwrap());
        let program = program(&[(7, &[one]), (7, &[two])]);
        let kept: Vec<bool> = frames()[..3].iter().map(|frame| kept(&program, 7, frame) != 0).collect();
        assert_eq!(kept, [true; 3]);
    }

    #[test]
    fn too_many_addresses_make_a_coarse_filter_that_lets_more_through() {
        let many: Vec<IpAddr> = (0..200_u32).map(|one| Ipv4Addr::from(0x0a01_0000 + one).into()).collect();
        let program = program(&[(7, &many)]);
        assert!(program.len() <= LONGEST, "{}", program.len());
        let kept: Vec<bool> = frames().iter().map(|frame| kept(&program, 7, frame) != 0).collect();
        assert_eq!(kept.iter().filter(|kept| !**kept).count(), 1, "all but the strange protocol: {kept:?}");
        assert!(!carries(&frames()[0], &many), "the agent looks again");
    }

    #[test]
    fn no_addresses_want_every_frame() {
        let program = program(&[(7, &[])]);
        assert!(frames().iter().all(|frame| kept(&program, 7, frame) == KEPT_BYTES));
    }
}
