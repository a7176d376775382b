//! The parsers of `ip` against outputs recorded by `suites/golden/ip/record.sh`: every release and every form
//! printed the same namespace, so all must give the same model.

mod common;

use plumbline_core::observe::ip::{self, Coverage, IpOutputs, kernel_state};
use plumbline_core::observe::{KernelState, Transcript, agree, agree_within};

fn golden(release: &str, file: &str) -> Option<String> {
    std::fs::read_to_string(common::suites().join("golden/ip").join(release).join(file)).ok()
}

fn outputs(release: &str, json: bool) -> IpOutputs {
    let of = |file: &str| if json { golden(release, file) } else { None };
    let texts = [
        ("ip a", "addr.txt"),
        ("ip route show table all", "route-all.txt"),
        ("ip rule", "rule.txt"),
        ("ip -6 rule", "rule6.txt"),
    ];
    let transcript = |(command, file): (&str, &str)| Transcript {
        pod: "pod".to_owned(),
        command: command.to_owned(),
        text: golden(release, file).unwrap(),
    };
    IpOutputs {
        transcripts: texts.into_iter().map(transcript).collect(),
        addr_json: of("addr.json"),
        route4_json: of("route4.json"),
        route6_json: of("route6.json"),
        rule4_json: of("rule4.json"),
        rule6_json: of("rule6.json"),
    }
}

fn state(release: &str, json: bool) -> (KernelState, Coverage) {
    kernel_state(&outputs(release, json)).unwrap()
}

#[test]
fn both_releases_of_iproute2_give_the_same_state() {
    let (old, coverage) = state("iproute2-6.1", true);
    assert_eq!(coverage, Coverage::FULL);
    assert_eq!(old, state("iproute2-6.15", true).0);
    insta::assert_json_snapshot!("kernel-state", old);
}

#[test]
fn routes_of_both_families_in_one_output_are_separated() {
    let (whole, _) = state("iproute2-6.1", true);
    let lists = ["route4.json", "route6.json"].map(|file| golden("iproute2-6.1", file).unwrap().trim().to_owned());
    let both = format!("{},{}", lists[0].trim_end_matches(']'), lists[1].trim_start_matches('['));
    let mut routes = ip::routes_from_json(&both, false).unwrap();
    routes.extend(ip::routes_from_json(&both, true).unwrap());
    assert_eq!(routes, whole.routes);
}

#[test]
fn text_and_json_of_iproute2_give_the_same_state() {
    for release in ["iproute2-6.1", "iproute2-6.15"] {
        let (json, _) = state(release, true);
        let (text, coverage) = state(release, false);
        assert_eq!(coverage, Coverage::FULL, "{release}");
        assert_eq!(agree(&json, &text), Vec::<String>::new(), "{release}");
        assert_eq!(json.routes, text.routes, "{release}");
        assert_eq!(json.rules, text.rules, "{release}");
        for (json, text) in json.links.iter().zip(&text.links) {
            assert_eq!(json.addresses, text.addresses, "{release} {}", json.name);
            assert_eq!(
                (json.parent, json.parent_netns, json.master),
                (text.parent, text.parent_netns, text.master),
                "{release}"
            );
            assert_eq!(json.state, text.state);
        }
    }
}

#[test]
fn details_of_the_text_give_the_kinds() {
    let links = ip::links_from_text(&golden("iproute2-6.1", "addr-d.txt").unwrap()).unwrap();
    let (json, _) = state("iproute2-6.1", true);
    for (text, json) in links.iter().zip(&json.links) {
        assert_eq!((&text.kind, &text.mode), (&json.kind, &json.mode), "{}", text.name);
    }
}

#[test]
fn busybox_output_agrees_with_iproute2() {
    let (json, _) = state("iproute2-6.1", true);
    let (busybox, coverage) = state("busybox-1.35", false);
    assert!(!coverage.details);
    assert_eq!(agree_within(&json, &busybox, coverage), Vec::<String>::new());
    // `eth1@eth0` is wrong: the parent with that index is in another namespace.
    assert!(busybox.links.iter().all(|link| link.parent.is_none()));
    assert_eq!(busybox.links[2].addresses, json.links[2].addresses);
}

#[test]
fn plain_ip_route_is_the_main_table() {
    let (json, _) = state("iproute2-6.1", true);
    let mut routes = ip::routes_from_text(&golden("iproute2-6.1", "route.txt").unwrap(), false).unwrap();
    routes.extend(ip::routes_from_text(&golden("iproute2-6.1", "route6.txt").unwrap(), true).unwrap());
    let main: Vec<_> = json.routes.iter().filter(|route| route.table == 254).cloned().collect();
    assert_eq!(routes, main);
}

#[test]
fn every_kind_of_difference_between_witnesses_is_reported() {
    let (a, _) = state("iproute2-6.1", true);
    type Change = fn(&mut KernelState);
    let changes: [(&str, Change); 8] = [
        ("address", |state| {
            state.links[2].addresses.remove(0);
        }),
        ("address", |state| state.links[2].addresses[0].address = "192.168.100.10/25".parse().unwrap()),
        ("link", |state| {
            state.links.pop();
        }),
        ("link", |state| state.links[2].mtu = 1500),
        ("kind", |state| state.links[2].kind = Some("veth".to_owned())),
        ("parent", |state| state.links[2].parent = Some(77)),
        ("route", |state| {
            state.routes.remove(2);
        }),
        ("route", |state| state.routes[3].hops[0].via = Some("192.168.100.9".parse().unwrap())),
    ];
    for (what, change) in changes {
        let mut b = a.clone();
        change(&mut b);
        let lines = agree(&a, &b);
        assert!(lines.iter().any(|line| line.contains(what)), "{what}: {lines:?}");
    }
}

#[test]
fn hostile_output_is_an_error_and_never_reaches_the_terminal() {
    let hostile = "1: \u{1b}[2J\u{1b}[31mlo: <UP> mtu x";
    let error = ip::links_from_text(hostile).unwrap_err().to_string();
    assert!(!error.contains('\u{1b}'), "{error}");
    for text in [
        "{",
        "[1]",
        "[{\"ifindex\":-1}]",
        "[{\"ifindex\":1,\"ifname\":\"lo\",\"addr_info\":[{\"local\":\"::1\",\"prefixlen\":300}]}]",
    ] {
        assert!(ip::links_from_json(text).is_err(), "{text}");
    }
    assert!(ip::routes_from_text("\tnexthop via 1.1.1.1 dev x", false).is_err());
    assert!(ip::routes_from_text("10.0.0.0/8 dev eth1 table vpn", false).is_err());
}

mod random {
    use super::*;
    use proptest::prelude::*;

    const FILES: [&str; 6] = ["addr.txt", "route-all.txt", "rule.txt", "addr.json", "route4.json", "rule4.json"];
    static TEXTS: std::sync::LazyLock<Vec<Vec<char>>> = std::sync::LazyLock::new(|| {
        FILES.iter().map(|file| golden("iproute2-6.1", file).unwrap().chars().collect()).collect()
    });

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn no_text_makes_a_parser_panic(text in "[ -~\n\t\u{1b}]{0,200}") {
            let _ = ip::links_from_text(&text);
            let _ = ip::routes_from_text(&text, false);
            let _ = ip::rules_from_text(&text, true);
            let _ = ip::links_from_json(&text);
        }

        #[test]
        fn no_mutilated_output_makes_a_parser_panic(cut in 0usize..4000, at in 0usize..4000, with in "[ -~\u{1b}\n]{0,8}") {
            for text in TEXTS.iter() {
                let mut fault: String = text[..at.min(text.len())].iter().collect();
                fault.push_str(&with);
                fault.extend(&text[(at + cut % 50).min(text.len())..]);
                let _ = ip::links_from_text(&fault);
                let _ = ip::routes_from_text(&fault, false);
                let _ = ip::rules_from_text(&fault, false);
                let _ = ip::links_from_json(&fault);
                let _ = ip::routes_from_json(&fault, false);
                let _ = ip::rules_from_json(&fault, false);
            }
        }
    }
}
