//! What a node has of its pods beside their namespaces: firewall rules, routing rules and routes, links, tracked
//! connections. Read before the pods come and after they went, so that what stays is known.

use super::{KernelState, Leak, LeakKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What was read of one node at one time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Traces {
    /// Output of `iptables-save` and `ip6tables-save`, each with the program's name.
    pub saved: Vec<(String, String)>,
    /// Output of `nft list ruleset`, where there is such a program.
    pub ruleset: Option<String>,
    /// Links, routes and rules.
    pub kernel: KernelState,
    /// Text of `/proc/net/nf_conntrack`, or of `conntrack -L -o extended`, which has the same form.
    pub connections: String,
}

/// A pod that went, and by what its traces are known: its container id and its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedPod {
    /// Its name.
    pub pod: String,
    /// Texts in the names and rules made for it.
    pub marks: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<std::net::IpAddr>,
}

/// Chains that portmap makes once for all pods of a node and never takes away (plugins 1.9.1,
/// `meta/portmap/portmap_iptables.go`).
const FOR_ALL: [&str; 3] = ["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"];
/// portmap's table of nftables: a skeleton for all pods, in which each pod's rules have its container id as comment.
const NFT_TABLE: &str = "cni_hostport";
/// Tables of nftables that iptables keeps; `iptables-save` has shown them.
const OF_IPTABLES: [&str; 5] = ["nat", "filter", "mangle", "raw", "security"];

/// What came with pods and stayed when they were removed.
pub fn find_leaks(before: &Traces, after: &Traces, removed: &[RemovedPod], node: &str) -> Vec<Leak> {
    let mut left = Vec::new();
    let mut add = |kind: LeakKind, what: String, place: String| {
        let marked = |one: &&RemovedPod| one.marks.iter().any(|mark| has_word(&what, mark));
        let pod = removed.iter().find(marked).map(|one| one.pod.clone());
        left.push(Leak { kind, pod, what, place: format!("{place} of {node}") });
    };
    for (program, text) in &after.saved {
        let old = before.saved.iter().find(|(other, _)| other == program).map(|(_, text)| rules(text));
        let old = old.unwrap_or_default();
        for rule in rules(text).difference(&old) {
            add(LeakKind::Firewall, rule.clone(), format!("the rules ({program})"));
        }
    }
    let old = before.ruleset.as_deref().map(nft_rules).unwrap_or_default();
    for rule in after.ruleset.as_deref().map(nft_rules).unwrap_or_default().difference(&old) {
        add(LeakKind::Firewall, rule.clone(), "the rules (nft)".to_owned());
    }
    let addresses: Vec<_> = removed.iter().flat_map(|one| &one.addresses).collect();
    for rule in after.kernel.rules.iter().filter(|rule| !before.kernel.rules.contains(rule)) {
        let of_pod = [rule.from, rule.to].into_iter().flatten().map(|net| net.addr());
        for address in of_pod.filter(|address| addresses.contains(&address)) {
            let what = format!("routing rule {} of {address} to table {}", rule.priority, rule.table);
            add(LeakKind::Routing, what, "the routing rules".to_owned());
        }
    }
    for route in after.kernel.routes.iter().filter(|route| addresses.contains(&&route.to.addr())) {
        add(LeakKind::Routing, format!("route to {}", route.to), "the routes".to_owned());
    }
    let known: BTreeSet<&str> = before.kernel.links.iter().map(|link| link.name.as_str()).collect();
    for link in after.kernel.links.iter().filter(|link| !known.contains(link.name.as_str())) {
        // A bridge, and what else a plugin makes for all pods, may stay; one end of a pod's cable may not.
        if link.kind.as_deref() == Some("veth") {
            add(LeakKind::Routing, format!("link {}", link.name), "the links".to_owned());
        }
    }
    // An address may have been another pod's before.
    let known: BTreeSet<String> = before.connections.lines().map(connection).collect();
    let udp = after.connections.lines().filter(|line| line.split_whitespace().any(|word| word == "udp"));
    for line in udp.filter(|line| !known.contains(&connection(line))) {
        let ends = line.split_whitespace().filter_map(|word| word.strip_prefix("src=").or(word.strip_prefix("dst=")));
        let mut ends = ends.filter_map(|text| text.parse::<std::net::IpAddr>().ok());
        if ends.any(|end| addresses.contains(&&end)) {
            add(LeakKind::Connection, connection(line), "the tracked connections".to_owned());
        }
    }
    left
}

/// The part of a line with the two ends: `UDP src=203.0.113.9 dst=10.66.0.10 ...`, addresses in their short form.
fn connection(line: &str) -> String {
    let end = |word: &str| {
        let (key, value) = word.split_once('=')?;
        match key {
            "src" | "dst" => Some(format!("{key}={}", value.parse::<std::net::IpAddr>().ok()?)),
            "sport" | "dport" => Some(word.to_owned()),
            _ => None,
        }
    };
    let words: Vec<String> = line.split_whitespace().filter_map(end).collect();
    format!("UDP {}", words.join(" "))
}

/// Whether a text has a mark as a word of its own: 10.0.0.1 is not in 10.0.0.10.
fn has_word(text: &str, mark: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-' || letter == ':';
    text.match_indices(mark).any(|(at, found)| {
        let (left, right) = (text[..at].chars().next_back(), text[at + found.len()..].chars().next());
        !left.is_some_and(inner) && !right.is_some_and(|letter| inner(letter) && letter != ':')
    })
}

/// The rules and chains of `iptables-save`, each with its table; what is made for all pods left out.
fn rules(text: &str) -> BTreeSet<String> {
    let mut table = "";
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        match line.split_at_checked(1) {
            Some(("*", name)) => table = name,
            Some((":", chain)) => {
                // What the kernel has by itself has a policy; any other chain has none.
                let (name, policy) = chain.split_once(' ').unwrap_or((chain, "-"));
                if policy.starts_with('-') && !FOR_ALL.contains(&name) {
                    found.insert(format!("chain {name} of table {table}"));
                }
            }
            Some(("-", _)) if !is_for_all(line) => {
                found.insert(format!("{line} of table {table}"));
            }
            _ => {}
        }
    }
    found
}

/// A rule that leads into a chain for all pods, or is in one and leads to no pod's own chain.
fn is_for_all(rule: &str) -> bool {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let target = words.iter().position(|word| *word == "-j").and_then(|at| words.get(at + 1)).copied();
    let target_is = target.is_some_and(|name| FOR_ALL.contains(&name));
    let stands_in = words.get(1).is_some_and(|name| FOR_ALL.contains(name));
    target_is || (stands_in && !target.is_some_and(|name| name.starts_with("CNI-DN-")))
}

/// The rules of `nft list ruleset`, each with its table and chain; iptables' own, and portmap's skeleton, left out.
fn nft_rules(text: &str) -> BTreeSet<String> {
    let (mut table, mut chain) = (String::new(), String::new());
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["table", family, name, "{"] => table = format!("{family} {name}"),
            ["chain", name, "{"] => chain = (*name).to_owned(),
            [] | ["}"] | ["type", ..] => {}
            _ if line.starts_with('#') => {}
            _ => {
                let name = table.split(' ').nth(1).unwrap_or_default();
                let skeleton = name == NFT_TABLE && !line.contains(" comment \"");
                if !OF_IPTABLES.contains(&name) && !skeleton && !line.starts_with("comment ") {
                    found.insert(format!("{line} of chain {chain} in table {table}"));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-MARK-MASQ - [0:0]\n-A KUBE-MARK-MASQ -j MARK\nCOMMIT\n";
    const SHARED: &str = ":CNI-HOSTPORT-DNAT - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n\
                          -A CNI-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000\n";

    fn traces(extra: &str) -> Traces {
        Traces { saved: vec![("iptables-save".into(), format!("{BEFORE}{extra}"))], ..Traces::default() }
    }

    fn removed() -> Vec<RemovedPod> {
        let marks = vec!["run-0".to_owned(), "10.77.0.17".to_owned()];
        vec![RemovedPod { pod: "web".into(), marks, addresses: vec!["10.77.0.17".parse().unwrap()] }]
    }

    #[test]
    fn what_is_made_for_all_pods_may_stay() {
        assert_eq!(find_leaks(&traces(""), &traces(SHARED), &removed(), "node 1"), []);
    }

    #[test]
    fn a_chain_and_a_rule_that_remain_are_reported_with_their_pod() {
        let own = ":CNI-DN-1234 - [0:0]\n-A CNI-HOSTPORT-DNAT -p tcp --dports 8080 -j CNI-DN-1234\n\
                   -A CNI-DN-1234 -p tcp -j DNAT --to-destination 10.77.0.17:80\n";
        let left = find_leaks(&traces(""), &traces(&format!("{SHARED}{own}")), &removed(), "node 1");
        let leaks: Vec<_> = left.iter().map(|one| (one.kind, one.pod.as_deref(), one.what.as_str())).collect();
        assert_eq!(leaks.len(), 3, "{leaks:?}");
        assert_eq!(leaks[0].1, Some("web"), "{leaks:?}");
        assert!(leaks.iter().any(|(_, _, what)| *what == "chain CNI-DN-1234 of table nat"), "{leaks:?}");
        assert_eq!(left[0].place, "the rules (iptables-save) of node 1");
    }

    #[test]
    fn of_nftables_only_rules_of_pods_are_reported() {
        let skeleton = "table ip nat {\n chain X {\n  counter\n }\n}\ntable ip cni_hostport {\n comment \"CNI\"\n \
                        chain hostports {\n }\n chain prerouting {\n  type nat hook prerouting priority dstnat;\n  \
                        fib daddr type local jump hostports_all\n }\n}\n";
        let with = |text: String| Traces { ruleset: Some(text), ..Traces::default() };
        assert_eq!(find_leaks(&with(String::new()), &with(skeleton.to_owned()), &removed(), "node 1"), []);
        let rule = skeleton
            .replace("hostports {\n", "hostports {\n  tcp dport 8080 dnat to 10.77.0.17:80 comment \"run-0\"\n");
        let left = find_leaks(&with(String::new()), &with(rule), &removed(), "node 1");
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].pod.as_deref(), left[0].kind), (Some("web"), LeakKind::Firewall));
        assert!(left[0].what.ends_with("of chain hostports in table ip cni_hostport"), "{}", left[0].what);
    }

    #[test]
    fn only_a_tracked_udp_connection_of_the_pod_is_reported() {
        let line = |a: &str| {
            format!("ipv4 2 udp 17 29 src=203.0.113.9 dst=10.66.0.10 sport=4 dport=5005 src={a} dst=203.0.113.9\n")
        };
        let tcp = "ipv4 2 tcp 6 119 TIME_WAIT src=1.2.3.4 dst=10.77.0.17 sport=1 dport=2\n";
        let text = format!("{}{}{tcp}", line("10.77.0.17"), line("10.77.0.170"));
        let after = Traces { connections: text, ..Traces::default() };
        let left = find_leaks(&Traces::default(), &after, &removed(), "node 1");
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!((left[0].kind, left[0].pod.as_deref()), (LeakKind::Connection, Some("web")));
        // Seconds left, marks and the like change meanwhile.
        let before = Traces { connections: line("10.77.0.17").replace(" 29 ", " 118 "), ..Traces::default() };
        assert_eq!(find_leaks(&before, &after, &removed(), "node 1"), [], "it is from before the pod");
    }

    #[test]
    fn a_connection_is_shown_in_short() {
        let line = "ipv6 10 udp 17 29 src=fd77:0000:0000:0000:0000:0000:0000:0011 dst=::1 sport=1 dport=2 mark=0 use=2";
        assert_eq!(connection(line), "UDP src=fd77::11 dst=::1 sport=1 dport=2");
        assert!(has_word(&connection(line), "fd77::11"));
    }

    #[test]
    fn an_address_is_a_word() {
        assert!(has_word("to 10.0.0.1:80", "10.0.0.1") && has_word("10.0.0.1", "10.0.0.1"));
        assert!(!has_word("to 10.0.0.10", "10.0.0.1") && !has_word("id run-01", "run-0"));
    }
}
