//! Decoding of captured bytes, and pcap files made of them.

mod common;

use common::frames::{ALL, arp, echo, ethernet, frame, ipv4, ipv6, mac, tcp, udp};
use plumbline_core::wire::decode::{Net, Transport, decode_octets};
use plumbline_core::wire::{CaptureResult, Direction, FrameError, decode, pcap};
use proptest::prelude::*;

fn packet_text(bytes: &[u8]) -> String {
    decode_octets(bytes, false).unwrap().to_string()
}

#[test]
fn every_protocol_is_shown_in_one_line() {
    let (one, two) = (mac(1), mac(2));
    let ip = |protocol: u8, payload: &[u8]| {
        ethernet(two, one, &[], 0x0800, &ipv4("10.0.0.1", "10.0.0.2", protocol, payload))
    };
    let head = "02:00:00:00:00:01 to 02:00:00:00:00:02, 10.0.0.1";
    assert_eq!(packet_text(&ip(1, &echo(true))), format!("{head} to 10.0.0.2, ICMP echo request"));
    assert_eq!(packet_text(&ip(1, &echo(false))), format!("{head} to 10.0.0.2, ICMP echo reply"));
    assert_eq!(packet_text(&ip(17, &udp(4000, 53))), format!("{head} port 4000 to 10.0.0.2 port 53, UDP"));
    assert_eq!(packet_text(&ip(6, &tcp(4000, 80, 0x02))), format!("{head} port 4000 to 10.0.0.2 port 80, TCP SYN"));
    assert_eq!(packet_text(&ip(6, &tcp(80, 4000, 0x14))), format!("{head} port 80 to 10.0.0.2 port 4000, TCP RST ACK"));
    assert_eq!(packet_text(&ip(47, &[0; 8])), format!("{head} to 10.0.0.2, IP protocol 47"));
    let inner = [vec![3, 13, 0, 0, 0, 0, 0, 0], ipv4("10.0.0.2", "10.9.9.9", 17, &udp(1, 2))].concat();
    assert_eq!(
        packet_text(&ip(1, &inner)),
        format!("{head} to 10.0.0.2, ICMP type 3 code 13 about a packet to 10.9.9.9")
    );
    let request = ethernet(ALL, one, &[], 0x0806, &arp(true, ("10.0.0.1", one), "10.0.0.2"));
    assert_eq!(packet_text(&request), "02:00:00:00:00:01 to ff:ff:ff:ff:ff:ff, ARP who has 10.0.0.2, tell 10.0.0.1");
    let reply = ethernet(one, two, &[], 0x0806, &arp(false, ("10.0.0.2", two), "10.0.0.1"));
    assert_eq!(packet_text(&reply), "02:00:00:00:00:02 to 02:00:00:00:00:01, ARP 10.0.0.2 is at 02:00:00:00:00:02");
}

#[test]
fn neighbour_discovery_is_decoded_with_its_target_address() {
    let target = "fd00::2".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let mut payload = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    payload.extend(target);
    let packet =
        decode_octets(&ethernet(mac(1), mac(2), &[], 0x86dd, &ipv6("fd00::2", "fd00::1", 58, &payload)), false)
            .unwrap();
    let Some(Transport::Neighbour { is_request: false, target }) = packet.ip().map(|ip| ip.transport.clone()) else {
        panic!("{packet:?}");
    };
    assert_eq!(target.to_string(), "fd00::2");
    assert!(packet.to_string().ends_with("fd00::2 to fd00::1, neighbour advertisement, fd00::2 is here"));
}

#[test]
fn tags_are_read_outermost_first_with_their_priority() {
    let inside = ipv4("10.0.0.1", "10.0.0.2", 17, &udp(1, 2));
    let packet = decode_octets(&ethernet(mac(2), mac(1), &[100, 0xa000 | 200], 0x0800, &inside), false).unwrap();
    assert_eq!(packet.vlans(), [100, 200]);
    assert_eq!((packet.tags[0].priority, packet.tags[1].priority), (0, 5));
    assert_eq!((packet.tags[0].protocol, packet.ethertype), (0x8100, 0x0800));
    let mut service = ethernet(mac(2), mac(1), &[100, 200], 0x0800, &inside);
    service[12..14].copy_from_slice(&[0x88, 0xa8]);
    assert!(decode_octets(&service, false).unwrap().to_string().contains(", 802.1ad VLAN 100, VLAN 200, 10.0.0.1"));
}

#[test]
fn a_control_frame_is_decoded_with_the_id_of_its_probe() {
    let bytes = ethernet(ALL, mac(1), &[100], 0x88b5, b"pod/reaches/0/tagged\0\0\0");
    let packet = decode_octets(&bytes, false).unwrap();
    assert_eq!(packet.net, Net::Control("pod/reaches/0/tagged".into()));
    assert_eq!(packet.vlans(), [100]);
}

#[test]
fn a_truncated_frame_is_refused_unless_the_capture_cut_it() {
    let whole = ethernet(mac(2), mac(1), &[100], 0x0800, &ipv4("10.0.0.1", "10.0.0.2", 17, &udp(1, 2)));
    for length in 0..whole.len() {
        assert!(decode_octets(&whole[..length], false).is_err(), "{length} of {} bytes", whole.len());
    }
    let mut cut = frame(Direction::In, &whole[..whole.len() - 2]);
    assert!(decode(&cut).is_err());
    cut.length += 2;
    assert_eq!(decode(&cut).unwrap().ip().unwrap().transport, Transport::Udp { from: 1, to: 2 });
    let mut odd = frame(Direction::In, &whole);
    odd.bytes.push('0');
    assert!(matches!(decode(&odd), Err(FrameError::NotHex(_))));
}

#[test]
fn a_frame_padded_to_the_shortest_length_is_valid() {
    let mut short = ethernet(mac(2), mac(1), &[], 0x0806, &arp(true, ("10.0.0.1", mac(1)), "10.0.0.2"));
    short.resize(60, 0);
    assert!(matches!(decode_octets(&short, false).unwrap().net, Net::Arp(_)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), is_cut: bool) {
        let _ = decode_octets(&bytes, is_cut).map(|packet| packet.to_string());
    }

    #[test]
    fn no_changed_packet_makes_the_decoder_panic(at in 0usize..60, byte: u8, end in 0usize..60, is_cut: bool) {
        let mut bytes = ethernet(mac(2), mac(1), &[100, 200], 0x0800, &ipv4("10.0.0.1", "10.0.0.2", 6, &tcp(1, 2, 2)));
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - end % length);
        let _ = decode_octets(&bytes, is_cut).map(|packet| packet.to_string());
    }

    #[test]
    fn no_hex_text_makes_the_decoder_panic(text: String) {
        let mut any = frame(Direction::Out, &[]);
        any.bytes = text;
        let _ = decode(&any);
    }
}

#[test]
fn a_capture_becomes_a_valid_pcap_file() {
    let bytes = ethernet(ALL, mac(1), &[100], 0x0806, &arp(true, ("10.0.0.1", mac(1)), "10.0.0.2"));
    let mut seen = CaptureResult {
        id: "x".into(),
        interface: "eth1".into(),
        frames: vec![frame(Direction::Out, &bytes), frame(Direction::In, &bytes)],
        dropped: 0,
    };
    seen.frames[1].length = 1500;
    let file = pcap(&seen).unwrap();
    assert_eq!(file[..24], [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!([number(24), number(28), number(32), number(36)], [1_700_000_000, 123_456, 46, 46]);
    assert_eq!(file[40..40 + 46], bytes[..]);
    assert_eq!([number(86 + 8), number(86 + 12)], [46, 1500], "a cut frame has its original length");
    assert_eq!(file.len(), 24 + 2 * (16 + 46));
    seen.frames[1].bytes = "zz".into();
    assert!(pcap(&seen).unwrap_err().to_string().starts_with("frame 1 of x"));
}
