//! The BPF program of a capture (`linux/filter.h`), generated from its interfaces and addresses.
//!
//! The kernel removes the outer tag before the filter runs, so a frame has as many tags as on the wire or one fewer. The
//! program checks all depths up to two. Above a length limit it passes every frame of a protocol that can carry an
//! address. The agent checks every passed frame again.

use std::net::IpAddr;

use plumbline_netlink::raw::{Instruction, KEPT_BYTES};

use super::frames::{ARP, CONTROL, IPV4, IPV6, TAGS};

/// A longer program is replaced by the coarse one. The kernel takes 4096 instructions, but counts them against a limit
/// of 20 kB on older hosts (`net.core.optmem_max`).
const MAX_INSTRUCTIONS: usize = 500;

/// `BPF_LD|BPF_W|BPF_ABS`, `BPF_LD|BPF_H|BPF_ABS`, `BPF_LD|BPF_W|BPF_IND`, `BPF_LD|BPF_B|BPF_IND`, `BPF_LDX|BPF_IMM`.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_WORD_AFTER_X: u16 = 0x40;
const LOAD_BYTE_AFTER_X: u16 = 0x50;
const SET_X: u16 = 0x01;
/// `BPF_JMP|BPF_JA`, `BPF_JMP|BPF_JEQ|BPF_K`, `BPF_RET|BPF_K`.
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// The offset of the interface index (`SKF_AD_OFF + SKF_AD_IFINDEX`).
const INTERFACE: u32 = 0xffff_f008;

const ICMPV6: u32 = 58;

/// One interface, by index, and the addresses to capture there; no addresses means every frame.
pub type InterfaceAddresses<'a> = (u32, &'a [IpAddr]);

/// The program for these interfaces of one namespace.
pub fn build_filter(wanted: &[InterfaceAddresses]) -> Vec<Instruction> {
    let exact = build_program(wanted, true);
    if exact.len() <= MAX_INSTRUCTIONS { exact } else { build_coarse_filter(wanted) }
}

/// The program that checks protocols only.
pub fn build_coarse_filter(wanted: &[InterfaceAddresses]) -> Vec<Instruction> {
    build_program(wanted, false)
}

fn build_program(wanted: &[InterfaceAddresses], exact: bool) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (index, addresses) in wanted {
        let body = interface_body(addresses, exact);
        program.push(Instruction(LOAD_WORD, 0, 0, INTERFACE));
        program.push(Instruction(JUMP_IF_EQUAL, 1, 0, *index));
        program.push(jump(body.len()));
        // A frame that this body does not pass may match another capture of the same interface.
        program.extend(body);
    }
    program.push(Instruction(RETURN, 0, 0, 0));
    program
}

fn jump(over: usize) -> Instruction {
    Instruction(JUMP, 0, 0, u32::try_from(over).unwrap_or(u32::MAX))
}

const KEEP: Instruction = Instruction(RETURN, 0, 0, KEPT_BYTES);

/// Passes matching frames; ends behind its last instruction for all others.
fn interface_body(addresses: &[IpAddr], exact: bool) -> Vec<Instruction> {
    if addresses.is_empty() {
        return vec![KEEP];
    }
    let families = family_parts(addresses, exact);
    let mut program = Vec::new();
    // Loads the EtherType behind up to two tags into A, and the offset behind it into X.
    for depth in 0_u32..3 {
        let at = 12 + 4 * depth;
        program.push(Instruction(LOAD_HALF, 0, 0, at));
        program.push(Instruction(SET_X, 0, 0, at + 2));
        // Goes to the next depth for a tag, else past all deeper ones: each of them has five instructions.
        program.push(Instruction(JUMP_IF_EQUAL, 2, 0, TAGS[0].into()));
        program.push(Instruction(JUMP_IF_EQUAL, 1, 0, TAGS[1].into()));
        program.push(jump(5 * (2 - depth as usize)));
    }
    program.push(Instruction(JUMP_IF_EQUAL, 0, 1, CONTROL.into()));
    program.push(KEEP);
    let mut left: usize = families.iter().map(|(_, part)| part.len() + 2).sum();
    for (kind, part) in families {
        left -= part.len() + 2;
        program.push(Instruction(JUMP_IF_EQUAL, 1, 0, kind.into()));
        program.push(jump(part.len()));
        // A part ends with a jump of its own, because A has changed by then.
        let mut part = part;
        if let Some(last) = part.last_mut() {
            *last = jump(left);
        }
        program.extend(part);
    }
    program
}

/// For each EtherType the part that checks the addresses. The caller replaces its last instruction by the jump to the end.
fn family_parts(addresses: &[IpAddr], exact: bool) -> Vec<(u16, Vec<Instruction>)> {
    let exit_jump = jump(0);
    if !exact {
        return [IPV4, ARP, IPV6].map(|kind| (kind, vec![KEEP, exit_jump])).to_vec();
    }
    let four: Vec<u32> = addresses.iter().filter_map(|one| ipv4_word(*one)).collect();
    let six: Vec<[u32; 4]> = addresses.iter().filter_map(|one| ipv6_words(*one)).collect();
    let words = |offsets: [u32; 2]| -> Vec<Instruction> {
        let each = offsets.iter().flat_map(|offset| {
            let tried = four.iter().flat_map(|one| [Instruction(JUMP_IF_EQUAL, 0, 1, *one), KEEP]);
            std::iter::once(Instruction(LOAD_WORD_AFTER_X, 0, 0, *offset)).chain(tried)
        });
        each.chain([exit_jump]).collect()
    };
    let mut longer: Vec<Instruction> =
        [8, 24].iter().flat_map(|offset| six.iter().flat_map(|one| compare_ipv6(one, *offset))).collect();
    // The target of neighbour discovery is checked in ICMPv6 only.
    let targets: Vec<Instruction> = six.iter().flat_map(|one| compare_ipv6(one, 48)).collect();
    longer.extend([
        Instruction(LOAD_BYTE_AFTER_X, 0, 0, 6),
        Instruction(JUMP_IF_EQUAL, 1, 0, ICMPV6),
        jump(targets.len()),
    ]);
    longer.extend(targets);
    longer.push(exit_jump);
    vec![(IPV4, words([12, 16])), (ARP, words([14, 24])), (IPV6, longer)]
}

/// Compares the sixteen bytes at an offset from X.
fn compare_ipv6(address: &[u32; 4], offset: u32) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (number, word) in address.iter().enumerate() {
        let number = u8::try_from(number).unwrap_or_default();
        program.push(Instruction(LOAD_WORD_AFTER_X, 0, 0, offset + 4 * u32::from(number)));
        // A difference jumps past the remaining words and KEEP.
        program.push(Instruction(JUMP_IF_EQUAL, 0, 2 * (3 - number) + 1, *word));
    }
    program.push(KEEP);
    program
}

fn ipv4_word(address: IpAddr) -> Option<u32> {
    match address {
        IpAddr::V4(address) => Some(u32::from(address)),
        IpAddr::V6(_) => None,
    }
}

fn ipv6_words(address: IpAddr) -> Option<[u32; 4]> {
    let IpAddr::V6(address) = address else { return None };
    let o = address.octets();
    Some([0, 4, 8, 12].map(|at| u32::from_be_bytes([o[at], o[at + 1], o[at + 2], o[at + 3]])))
}

#[cfg(test)]
mod tests {
    use super::super::frames::{self, carries_address};
    use super::*;
    use std::net::Ipv4Addr;

    /// Runs a program on a frame of an interface, as the kernel does (`__bpf_prog_run` for the codes used here); returns
    /// how many bytes are kept. A load beyond the end drops the frame.
    fn run_program(program: &[Instruction], index: u32, frame: &[u8]) -> u32 {
        let load = |at: u32, size: usize| -> Option<u32> {
            let at = at as usize;
            Some(frame.get(at..at + size)?.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
        };
        let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
        loop {
            let Instruction(code, yes, no, value) = program[at];
            at += 1;
            let loaded = match code {
                LOAD_WORD if value == INTERFACE => Some(index),
                LOAD_WORD => load(value, 4),
                LOAD_HALF => load(value, 2),
                LOAD_WORD_AFTER_X => load(x + value, 4),
                LOAD_BYTE_AFTER_X => load(x + value, 1),
                SET_X => {
                    x = value;
                    Some(a)
                }
                JUMP => {
                    at += value as usize;
                    Some(a)
                }
                JUMP_IF_EQUAL => {
                    at += usize::from(if a == value { yes } else { no });
                    Some(a)
                }
                RETURN => return value,
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
            frames::build_arp_request(mac, own, [10, 0, 0, 9].into()),
            frames::build_arp_request(mac, [10, 0, 0, 9].into(), own),
            frames::build_arp_request(mac, [10, 0, 0, 9].into(), [10, 0, 0, 8].into()),
            ipv6("fd00::1", "fd00::2"),
            ipv6("fd00::2", "fd00::1"),
            ipv6("fd00::2", "fd00::1:1"),
            frames::build_solicitation(mac, "fd00::9".parse().unwrap(), "fd00::1".parse().unwrap()),
            frames::build_solicitation(mac, "fd00::9".parse().unwrap(), "fd00::8".parse().unwrap()),
            frames::build_control_frame(mac, &[], 0, "id"),
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
    fn the_filter_passes_what_the_agent_keeps_at_any_depth() {
        let addresses: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let other: Vec<IpAddr> = vec!["10.0.0.3".parse().unwrap()];
        let program = build_filter(&[(7, &addresses), (8, &other)]);
        for frame in frames() {
            for depth in 0..3 {
                let frame = tagged(&frame, depth);
                for (index, wanted) in [(7, &addresses), (8, &other)] {
                    let passed = run_program(&program, index, &frame) == KEPT_BYTES;
                    assert_eq!(passed, carries_address(&frame, wanted), "{index} {depth} {frame:x?}");
                }
                assert_eq!(run_program(&program, 9, &frame), 0, "another interface");
            }
        }
    }

    #[test]
    fn matching_frames_pass_and_others_do_not() {
        let addresses: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let passed: Vec<bool> = frames().iter().map(|frame| carries_address(frame, &addresses)).collect();
        let expected = [true, true, false, true, true, false, true, true, false, true, false, true, false, false];
        assert_eq!(passed, expected);
    }

    #[test]
    fn two_captures_of_one_interface_get_the_frames_of_both() {
        let (one, two): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.3".parse().unwrap());
        let program = build_filter(&[(7, &[one]), (7, &[two])]);
        let kept: Vec<bool> = frames()[..3].iter().map(|frame| run_program(&program, 7, frame) != 0).collect();
        assert_eq!(kept, [true; 3]);
    }

    #[test]
    fn too_many_addresses_make_a_coarse_filter_that_passes_more() {
        let many: Vec<IpAddr> = (0..200_u32).map(|one| Ipv4Addr::from(0x0a01_0000 + one).into()).collect();
        let program = build_filter(&[(7, &many)]);
        assert!(program.len() <= MAX_INSTRUCTIONS, "{}", program.len());
        let kept: Vec<bool> = frames().iter().map(|frame| run_program(&program, 7, frame) != 0).collect();
        assert_eq!(kept.iter().filter(|kept| !**kept).count(), 1, "all but the protocol without addresses: {kept:?}");
        assert!(!carries_address(&frames()[0], &many), "the agent checks again");
    }

    #[test]
    fn a_capture_without_addresses_gets_every_frame() {
        let program = build_filter(&[(7, &[])]);
        assert!(frames().iter().all(|frame| run_program(&program, 7, frame) == KEPT_BYTES));
    }
}
