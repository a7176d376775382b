//! Behaviour of plugins and kernel that few configurations meet, each against a recorded chain or a small edit of one.

mod common;

use common::predicted::Recording;

macro_rules! recording {
    ($name:literal) => {
        Recording::read(include_str!(concat!("fixtures/predict/", $name, ".txt")))
    };
}

#[track_caller]
fn assert_fits(recording: &Recording) {
    assert_eq!(recording.findings(), Vec::<String>::new());
    assert!(!recording.coverage().contains("not modelled"), "{}", recording.coverage());
}

#[test]
fn rare_chains_have_no_finding() {
    for (name, recording) in [
        ("several port mappings, host addresses and another mark", recording!("portmap-many")),
        ("portmap behind a bridge", recording!("portmap-bridge")),
        ("a port with a smaller MTU", recording!("bridge-mtu")),
        ("an MTU below that of IPv6", recording!("bridge-small-mtu")),
        ("a promiscuous macvlan", recording!("macvlan-promiscuous")),
        ("a macvlan that takes over its parent", recording!("macvlan-passthru")),
        ("ranges of the runtime", recording!("ip-ranges")),
    ] {
        assert_eq!(recording.findings(), Vec::<String>::new(), "{name}");
        assert!(!recording.coverage().contains("not modelled"), "{name}: {}", recording.coverage());
    }
}

#[test]
fn portmap_maps_a_host_address_in_its_family_only() {
    let rule = "-A CNI-DN-ebbda1962411a951b4485 -d ::1/128 -p tcp -m tcp --dport 8082 -j DNAT --to-destination [fd08::2]:82 of ip6 nat";
    let wrong = rule.replace("-d ::1/128 ", "");
    recording!("portmap-many").assert_bent(&[
        ("add 1", &format!("- node firewall: {rule}"), &format!("PL350 1 2/2 firewall: {rule} on the node")),
        ("add 1", &format!("+ node firewall: {wrong}"), &format!("PL352 1 2/2 firewall: {wrong} on the node")),
    ]);
}

#[test]
fn portmap_leaves_an_external_chain_to_its_owner() {
    let of_own_mark = |row: &&str| {
        row.contains("CNI-HOSTPORT-MASQ")
            || row.contains("masquerade mark")
            || row.contains("chain CNI-HOSTPORT-SETMARK")
    };
    let text = include_str!("fixtures/predict/ptp.txt");
    let rows: Vec<&str> = text.lines().filter(|row| !of_own_mark(row)).collect();
    let recording = Recording::read(&rows.join("\n").replace("CNI-HOSTPORT-SETMARK", "KUBE-MARK-MASQ"))
        .with_config("\"type\": \"portmap\"", "\"type\": \"portmap\", \"externalSetMarkChain\": \"KUBE-MARK-MASQ\"");
    assert_fits(&recording);
    recording.assert_bent(&[(
        "add 1",
        "+ node firewall: chain CNI-HOSTPORT-SETMARK of ip nat",
        "PL352 16 2/2 firewall: chain CNI-HOSTPORT-SETMARK of ip nat on the node",
    )]);
}

#[test]
fn a_chain_that_stopped_counts_all_its_plugins() {
    let stopped = recording!("bridge").bent("add 0", "~ pod link eth1: mtu=1400").stopped_after("add 0");
    assert_eq!(stopped.findings(), ["PL350 5 1/2 mtu of eth1 in the pod"]);
}

#[test]
fn the_link_towards_the_pod_gets_route_localnet() {
    let behind_bridge = recording!("portmap-bridge");
    behind_bridge.assert_bent(&[(
        "add 1",
        "~ node sysctl cni8: ipv4/route_localnet=0",
        "PL350 1 2/2 sysctl net/ipv4/conf/cni8/route_localnet on the node",
    )]);
    // A rule may lead elsewhere: then the model does not say.
    let mut with_rule = behind_bridge.clone();
    with_rule.base_rows("+ node rule: 100: inet from all to 10.8.0.0/16 = lookup 100");
    assert_eq!(with_rule.findings(), Vec::<String>::new());
    assert!(
        with_rule.coverage().contains("not modelled: key snat of plugin 2 of 2 (portmap)"),
        "{}",
        with_rule.coverage()
    );
    let mut with_others = behind_bridge;
    with_others.base_rows("+ node rule: 100: inet from all to 10.9.0.0/16 = lookup 100");
    with_others.base_rows("+ node rule: 101: inet from all iif br-ex = lookup 100");
    assert_fits(&with_others);
}

#[test]
fn a_bridge_follows_the_mtu_of_its_ports_unless_it_was_set() {
    let bridge = recording!("bridge-mtu");
    assert_fits(&bridge.clone().bent("add 0", "~ node link br-ex: mtu=1500\n~ node sysctl br-ex: ipv6/mtu=1500"));
    bridge.assert_bent(&[(
        "add 0",
        "~ node link br-ex: mtu=1300\n~ node sysctl br-ex: ipv6/mtu=1300",
        "PL350 1 1/1 mtu of br-ex on the node",
    )]);
}

#[test]
fn a_macvlan_passes_promiscuity_on_to_its_parent() {
    recording!("macvlan-promiscuous").assert_bent(&[
        ("add 1", "~ node link br-ex: promiscuity=1", "PL350 1 2/2 promiscuity of br-ex on the node"),
        ("add 1", "~ node link br-ex: allmulti=0", "PL350 1 2/2 allmulti of br-ex on the node"),
        ("del 1", "~ node link br-ex: promiscuity=2", "PL350 1 2/2 promiscuity of br-ex on the node"),
    ]);
}

#[test]
fn passthru_has_the_address_of_its_parent() {
    recording!("macvlan-passthru").assert_bent(&[(
        "add 0",
        "~ pod link eth1: mac=02:00:00:00:00:09",
        "PL350 1 1/1 mac of eth1 in the pod",
    )]);
}

#[test]
fn a_key_that_the_plugin_does_not_read_changes_nothing() {
    // bridge has no key `mac`, macvlan reads none of `args.cni`.
    let bridge = recording!("bridge").with_config("\"hairpinMode\"", "\"mac\": \"0a:00:00:00:00:07\", \"hairpinMode\"");
    assert_fits(&bridge);
    let args = "\"args\": { \"cni\": { \"mac\": \"0a:00:00:00:00:07\" } }, \"mode\"";
    assert_fits(&recording!("macvlan").with_config("\"mode\"", args));
    let bridge = recording!("bridge").with_config("\"hairpinMode\"", &args.replace("mode", "hairpinMode"));
    assert_eq!(bridge.findings(), ["PL350 10 1/2 mac of eth1 in the pod"]);
    // Every form of Go means the same address.
    let macvlan = recording!("macvlan").with_config("\"mode\"", "\"mac\": \"0A-00-00-00-00-07\", \"mode\"");
    let reported = macvlan.clone().with_result(0, |result| result["interfaces"][0]["mac"] = "0a:00:00:00:00:07".into());
    assert_fits(&reported.bent("add 0", "~ pod link eth1: mac=0a:00:00:00:00:07"));
    assert_eq!(macvlan.findings(), ["PL350 8 1/2 mac of eth1 in the pod"]);
}

#[test]
fn a_requested_address_must_be_given() {
    for (arguments, wanted) in [
        ("IP=10.7.0.2", &[][..]),
        ("IP=10.7.0.2/24;MAC=", &[]),
        ("IP=10.9.0.2", &[]),
        ("IP=10.7.0.3", &["PL350 14 1/2 its address"]),
    ] {
        let recording =
            Recording::read(&format!("{}== args\n{arguments}\n", include_str!("fixtures/predict/bridge.txt")));
        assert_eq!(recording.findings(), wanted, "{arguments}");
    }
}

#[test]
fn a_default_sysctl_may_be_the_devices_too() {
    let tuning =
        recording!("bridge").with_config("net.ipv4.conf.IFNAME.arp_filter", "net.ipv4.conf.default.arp_filter");
    let old = "~ pod sysctl eth1: ipv4/arp_filter=0\n~ pod sysctl default: ipv4/arp_filter=1";
    assert_fits(&tuning.clone().bent("add 1", old));
    assert_fits(
        &tuning.clone().bent("add 1", "~ pod sysctl default: ipv4/arp_filter=1\n~ pod sysctl lo: ipv4/arp_filter=1"),
    );
    tuning.assert_bent(&[(
        "add 1",
        "~ pod sysctl default: ipv4/arp_filter=2",
        "PL350 25 2/2 sysctl net/ipv4/conf/default/arp_filter in the pod",
    )]);
}

#[test]
fn forwarding_of_the_node_sets_every_device() {
    let mut ptp = recording!("ptp");
    let off = "~ node sysctl: net/ipv4/ip_forward = 0\n~ node sysctl all: ipv4/forwarding=0\n~ node sysctl default: \
        ipv4/forwarding=0\n~ node sysctl br-ex: ipv4/forwarding=0\n~ node sysctl lo: ipv4/forwarding=0";
    let on = off.replace("= 0", "= 1").replace("=0", "=1");
    let redirects = |value| format!("\n~ node sysctl all: ipv4/accept_redirects={value}");
    ptp.base_rows(&(off.to_owned() + &redirects(1)));
    assert_fits(&ptp.clone().bent("add 0", &(on.clone() + &redirects(0))));
    ptp.assert_bent(&[
        // The plugin did not switch it on.
        ("add 0", "~ node sysctl peer(eth1): ipv4/forwarding=0", "PL350 8 1/2 sysctl net/ipv4/ip_forward on the node"),
    ]);
    ptp.assert_bent(&[(
        "add 0",
        &(on + &redirects(0) + "\n~ node sysctl br-ex: ipv4/forwarding=0"),
        "PL350 8 1/2 sysctl net/ipv4/conf/br-ex/forwarding on the node",
    )]);
}

#[test]
fn lo_that_was_down_gets_its_addresses() {
    let mut loopback = recording!("loopback").of_interface("lo");
    let addresses = "pod address lo: 127.0.0.1/8 = scope host\n pod address lo: ::1/128 = scope host\n \
        pod route lo: 127.0.0.0/8 table 255 = local proto kernel scope host src 127.0.0.1\n \
        pod route lo: 127.0.0.1/32 table 255 = local proto kernel scope host src 127.0.0.1\n \
        pod route lo: 127.255.255.255/32 table 255 = broadcast proto kernel scope link src 127.0.0.1\n \
        pod qdisc lo: root = noqueue";
    let signed = |sign: &str| addresses.lines().map(|row| format!("{sign} {}\n", row.trim())).collect::<String>();
    loopback.base_rows(&format!("~ pod link lo: up=off\n{}", signed("-")));
    let up = format!("~ pod link lo: up=on\n{}", signed("+"));
    assert_fits(&loopback.clone().bent("add 0", &up));
    loopback.assert_bent(&[
        ("add 0", &format!("{up}- pod address lo: ::1/128"), "PL350 0 1/1 address ::1/128 of lo in the pod"),
        (
            "add 0",
            &format!("{up}- pod route lo: 127.0.0.0/8 table 255"),
            "PL350 0 1/1 route 127.0.0.0/8 table 255 of lo in the pod",
        ),
    ]);
}

#[test]
fn a_kernel_without_ipv6_has_none_of_its_sysctls() {
    let without = |text: &str| -> String {
        let is_v6 = |fact: &&str| fact.contains("ipv6/") || fact.contains("net/ipv6");
        let row = |row: &str| match row.split_once(": ") {
            Some((head, facts)) if head.contains(" sysctl ") => {
                let kept: Vec<&str> = facts.split("; ").filter(|fact| !is_v6(fact)).collect();
                if kept.is_empty() { String::new() } else { format!("{head}: {}\n", kept.join("; ")) }
            }
            _ => format!("{row}\n"),
        };
        text.lines().map(row).collect()
    };
    for text in [
        include_str!("fixtures/predict/macvlan-promiscuous.txt"),
        include_str!("fixtures/predict/portmap-bridge.txt"),
        include_str!("fixtures/predict/bridge-mtu.txt"),
    ] {
        let mut recording = Recording::read(&without(text));
        recording.remove_from_base(|key| key.item.contains("ipv6") || key.item == "::1/128");
        assert_fits(&recording);
    }
}

#[test]
fn what_a_model_does_not_know_is_named_and_not_judged() {
    for (from, to, key) in [
        ("\"hairpinMode\"", "\"vlan\": 5, \"hairpinMode\"", "key vlan of plugin 1 of 2 (bridge)"),
        ("\"hairpinMode\"", "\"mtu\": -1, \"hairpinMode\"", "key mtu of plugin 1 of 2 (bridge)"),
        (
            "\"hairpinMode\"",
            "\"ipMasqBackend\": \"nftables\", \"hairpinMode\"",
            "key ipMasqBackend of plugin 1 of 2 (bridge)",
        ),
        ("\"host-local\"", "\"dhcp\"", "dhcp of plugin 1 of 2 (bridge)"),
        (
            "{ \"dst\": \"10.99.0.0/16\" }",
            "{ \"dst\": \"10.99.0.0/16\", \"mtu\": 1400 }",
            "key ipam/routes/0/mtu of plugin 1 of 2 (bridge)",
        ),
        (
            "{ \"dst\": \"10.99.0.0/16\" }",
            "{ \"dst\": \"10.99.0.0/16\", \"priority\": -1 }",
            "key ipam/routes/0 of plugin 1 of 2 (bridge)",
        ),
        ("\"mtu\": 1400", "\"mtu\": 1000", "key mtu of plugin 2 of 2 (tuning)"),
        (
            "IFNAME.arp_filter",
            "IFNAME.disable_ipv6",
            "key sysctl/net.ipv4.conf.IFNAME.disable_ipv6 of plugin 2 of 2 (tuning)",
        ),
        ("\"0a:00:00:00:00:01\"", "\"0a:00\"", "key mac of plugin 2 of 2 (tuning)"),
    ] {
        let recording = recording!("bridge").with_config(from, to).bent("add 1", "");
        assert_eq!(recording.findings(), Vec::<String>::new(), "{to}");
        assert!(recording.coverage().ends_with(&format!("not modelled: {key}")), "{to}: {}", recording.coverage());
    }
}
