//! The models of bridge, host-local and tuning against a recorded chain, and the findings of edits of it.

mod common;

use common::predicted::Recording;

fn bridge() -> Recording {
    Recording::read(include_str!("fixtures/predict/bridge.txt"))
}

#[test]
fn the_recorded_chain_has_no_finding() {
    assert_eq!(bridge().findings(), Vec::<String>::new());
    assert_eq!(bridge().coverage().split_once(" facts predicted, ").unwrap().1, "6 constrained");
}

#[test]
fn pl350_for_each_class_of_fact_that_bridge_makes() {
    bridge().assert_bent(&[
        ("add 0", "~ pod link eth1: mtu=1400", "PL350 5 1/2 mtu of eth1 in the pod"),
        ("add 0", "~ pod link eth1: arp=off", "PL350 5 1/2 arp of eth1 in the pod"),
        ("add 0", "~ pod link eth1: kind=macvlan", "PL350 5 1/2 kind of eth1 in the pod"),
        ("add 0", "~ pod link eth1: mac=01:00:5e:00:00:01", "PL350 5 1/2 mac of eth1 in the pod"),
        ("add 0", "~ pod link eth1: txqueuelen=7", "PL350 5 1/2 txqueuelen of eth1 in the pod"),
        ("add 0", "~ node link cni7: stp=enabled", "PL350 7 1/2 stp of cni7 on the node"),
        ("add 0", "~ node link peer(eth1): hairpin=off", "PL350 10 1/2 hairpin of peer(eth1) on the node"),
        ("add 0", "~ node link peer(eth1): master=br-ex", "PL350 7 1/2 master of peer(eth1) on the node"),
        ("add 0", "- pod address eth1: fd07::2/64", "PL350 15 1/2 address fd07::2/64 of eth1 in the pod"),
        ("add 0", "~ pod address eth1: fd07::2/64 = scope link", "PL350 15 1/2 address fd07::2/64 of eth1 in the pod"),
        ("add 0", "- node address cni7: fd07::1/64", "PL350 8 1/2 address fd07::1/64 of cni7 on the node"),
        (
            "add 0",
            "~ pod route eth1: 10.99.0.0/16 = unicast via 10.7.0.9 proto boot",
            "PL350 18 1/2 route 10.99.0.0/16 of eth1 in the pod",
        ),
        ("add 0", "- pod route eth1: 10.99.0.0/16", "PL350 18 1/2 route 10.99.0.0/16 of eth1 in the pod"),
        (
            "add 0",
            "~ pod route eth1: 10.7.0.0/24 = unicast proto kernel scope link src 10.7.0.9",
            "PL350 14 1/2 route 10.7.0.0/24 of eth1 in the pod",
        ),
        (
            "add 0",
            "~ pod sysctl eth1: ipv4/arp_notify=0",
            "PL350 11 1/2 sysctl net/ipv4/conf/eth1/arp_notify in the pod",
        ),
        (
            "add 0",
            "~ pod sysctl eth1: ipv6/accept_dad=1",
            "PL350 5 1/2 sysctl net/ipv6/conf/eth1/accept_dad in the pod",
        ),
        (
            "add 0",
            "~ node sysctl peer(eth1): ipv6/accept_ra=1",
            "PL350 5 1/2 sysctl net/ipv6/conf/peer(eth1)/accept_ra on the node",
        ),
        ("add 0", "~ pod qdisc eth1: root = pfifo", "PL350 5 1/2 queueing discipline root of eth1 in the pod"),
        (
            "add 0",
            "- node firewall: chain CNI-d3d54d7a7c2f4b00ad13b687 of ip6 nat",
            "PL350 9 1/2 firewall: chain CNI-d3d54d7a7c2f4b00ad13b687 of ip6 nat on the node",
        ),
        (
            "add 0",
            "- node file: /var/lib/cni/networks/b/10.7.0.2",
            "PL350 14 1/2 file /var/lib/cni/networks/b/10.7.0.2 on the node",
        ),
        (
            "add 0",
            r"~ node file: /var/lib/cni/networks/b/10.7.0.2 = run-1\neth1",
            "PL350 14 1/2 file /var/lib/cni/networks/b/10.7.0.2 on the node",
        ),
    ]);
}

#[test]
fn pl351_and_pl352_for_unrequested_changes() {
    bridge().assert_bent(&[
        (
            "add 0",
            "+ pod address eth1: 10.9.9.9/32 = scope global",
            "PL351 5 1/2 address 10.9.9.9/32 of eth1 in the pod",
        ),
        (
            "add 0",
            "+ pod route eth1: 10.50.0.0/16 = unicast proto boot",
            "PL351 5 1/2 route 10.50.0.0/16 of eth1 in the pod",
        ),
        (
            "add 0",
            "+ pod route lo: 10.50.0.0/16 = blackhole proto boot",
            "PL351 5 1/2 route 10.50.0.0/16 of lo in the pod",
        ),
        ("add 0", "+ pod rule: 100: inet from all = lookup 100", "PL351 5 1/2 rule 100: inet from all in the pod"),
        ("add 0", "+ pod neighbour eth1: 10.7.0.1 = permanent", "PL351 5 1/2 neighbour 10.7.0.1 of eth1 in the pod"),
        ("add 0", "~ pod sysctl: net/core/somaxconn = 1", "PL351 5 1/2 sysctl net/core/somaxconn in the pod"),
        (
            "add 0",
            "+ pod firewall: -A INPUT -j DROP of ip filter",
            "PL351 5 1/2 firewall: -A INPUT -j DROP of ip filter in the pod",
        ),
        ("add 0", "~ pod link lo: mtu=1500", "PL351 5 1/2 mtu of lo in the pod"),
        ("add 0", "+ pod link eth9: kind=dummy; up=on; mtu=1500", "PL351 5 1/2 kind of eth9 in the pod"),
        ("add 0", "+ pod qdisc eth1: ingress = ingress", "PL351 5 1/2 queueing discipline ingress of eth1 in the pod"),
        ("add 0", "+ node link veth7: kind=veth; up=off; mtu=1500", "PL352 5 1/2 kind of veth7 on the node"),
        (
            "add 0",
            "+ node route br-ex: 10.50.0.0/16 = unicast proto boot",
            "PL352 5 1/2 route 10.50.0.0/16 of br-ex on the node",
        ),
        ("add 0", "+ node rule: 100: inet from all = lookup 100", "PL352 5 1/2 rule 100: inet from all on the node"),
        ("add 0", "~ node sysctl: net/ipv4/ip_forward = 0", "PL352 5 1/2 sysctl net/ipv4/ip_forward on the node"),
        ("add 0", "+ node file: /run/cni/other = x", "PL352 5 1/2 file /run/cni/other on the node"),
        ("add 0", "+ node mount: /run/netns/q = nsfs", "PL352 5 1/2 mount /run/netns/q on the node"),
        ("add 0", "~ node link br-ex: up=off", "PL352 5 1/2 up of br-ex on the node"),
    ]);
}

#[test]
fn pl513_for_what_del_was_to_take_away() {
    bridge().assert_bent(&[
        (
            "del 0",
            r"+ node file: /var/lib/cni/networks/b/10.7.0.2 = run-0\neth1",
            "PL513 11 1/2 file /var/lib/cni/networks/b/10.7.0.2 on the node",
        ),
        (
            "del 0",
            "+ node firewall: chain CNI-d3d54d7a7c2f4b00ad13b687 of ip nat",
            "PL513 9 1/2 firewall: chain CNI-d3d54d7a7c2f4b00ad13b687 of ip nat on the node",
        ),
        ("del 0", "+ node link peer(eth1): kind=veth; up=on; mtu=1500", "PL513 5 1/2 kind of peer(eth1) on the node"),
        (
            "del 0",
            "+ pod address eth1: 10.7.0.2/24 = scope global broadcast 10.7.0.255",
            "PL513 5 1/2 address 10.7.0.2/24 of eth1 in the pod",
        ),
        // What DEL takes away beside its task is no leftover.
        ("del 0", "- node address cni7: fd07::1/64", "PL352 5 1/2 address fd07::1/64 of cni7 on the node"),
    ]);
}

#[test]
fn one_cause_is_one_finding() {
    bridge().assert_bent(&[
        // An address with all its routes.
        (
            "add 0",
            "- pod address eth1: 10.7.0.2/24\n- pod route eth1: 10.7.0.0/24\n- pod route eth1: 10.7.0.2/32 table 255\n\
             - pod route eth1: 10.7.0.255/32 table 255",
            "PL350 14 1/2 address 10.7.0.2/24 of eth1 in the pod",
        ),
        // Another prefix length.
        (
            "add 0",
            "- pod address eth1: 10.7.0.2/24\n+ pod address eth1: 10.7.0.2/25 = scope global broadcast 10.7.0.127\n\
             - pod route eth1: 10.7.0.0/24\n+ pod route eth1: 10.7.0.0/25 = unicast proto kernel scope link src 10.7.0.2\n\
             - pod route eth1: 10.7.0.255/32 table 255\n\
             + pod route eth1: 10.7.0.127/32 table 255 = broadcast proto kernel scope link src 10.7.0.2",
            "PL350 14 1/2 address 10.7.0.2/24 of eth1 in the pod",
        ),
        // A route with a metric of its own.
        (
            "add 0",
            "- pod route eth1: 10.99.0.0/16\n+ pod route eth1: 10.99.0.0/16 metric 100 = unicast via 10.7.0.1 proto boot",
            "PL350 18 1/2 route 10.99.0.0/16 of eth1 in the pod",
        ),
        // An MTU with its copy in IPv6.
        ("add 0", "~ pod link eth1: mtu=1400\n~ pod sysctl eth1: ipv6/mtu=1400", "PL350 5 1/2 mtu of eth1 in the pod"),
    ]);
}

#[test]
fn the_bridge_and_what_settles_later_are_no_finding() {
    for rows in [
        // Link-local addresses whenever they come.
        "+ pod address eth1: fe80::1/64 = scope link",
        "+ pod route eth1: ff00::/8 table 255 metric 256 = multicast proto kernel",
        "+ node route cni7: fd07::/128 table 255 = anycast proto kernel",
        // Kernels before 5.14 have a broadcast route for the network address.
        "+ pod route eth1: 10.7.0.0/32 table 255 = broadcast proto kernel scope link src 10.7.0.2",
        "~ node link peer(eth1): txqueuelen=1000",
    ] {
        assert_eq!(bridge().bent("add 0", rows).findings(), Vec::<String>::new(), "{rows}");
    }
}

#[test]
fn host_local_gives_a_free_address_of_its_range() {
    let config = bridge()
        .with_config("\"subnet\": \"10.7.0.0/24\"", "\"subnet\": \"10.7.0.0/24\", \"rangeStart\": \"10.7.0.2\"");
    assert_eq!(config.findings(), Vec::<String>::new());
    let config = bridge()
        .with_config("\"subnet\": \"10.7.0.0/24\"", "\"subnet\": \"10.7.0.0/24\", \"rangeStart\": \"10.7.0.3\"");
    assert_eq!(config.findings(), ["PL350 14 1/2 its address"]);
    let mut taken = bridge();
    taken.base_rows(r"+ node file: /var/lib/cni/networks/b/10.7.0.2 = run-9\neth0");
    assert_eq!(taken.findings()[..1], ["PL350 14 1/2 its address"]);
}

#[test]
fn tuning_sets_the_configured_values_and_del_restores_the_old_ones() {
    bridge().assert_bent(&[
        ("add 1", "~ pod link eth1: mtu=1500", "PL350 28 2/2 mtu of eth1 in the pod"),
        ("add 1", "~ pod link eth1: mac=02:00:00:00:00:04", "PL350 27 2/2 mac of eth1 in the pod"),
        ("add 1", "~ pod link eth1: promiscuity=0", "PL350 29 2/2 promiscuity of eth1 in the pod"),
        (
            "add 1",
            "~ pod sysctl eth1: ipv4/arp_filter=0",
            "PL350 25 2/2 sysctl net/ipv4/conf/eth1/arp_filter in the pod",
        ),
        (
            "add 1",
            "- node file: /run/cni/tuning/run-0_eth1.json",
            "PL350 22 2/2 file /run/cni/tuning/run-0_eth1.json on the node",
        ),
        ("add 1", "~ pod link eth1: txqueuelen=7", "PL351 22 2/2 txqueuelen of eth1 in the pod"),
        ("add 1", "+ node rule: 9: inet from all = lookup 9", "PL352 22 2/2 rule 9: inet from all on the node"),
        ("del 1", "~ pod link eth1: mac=0a:00:00:00:00:01", "PL350 22 2/2 mac of eth1 in the pod"),
        (
            "del 1",
            "+ node file: /run/cni/tuning/run-0_eth1.json = {}",
            "PL513 22 2/2 file /run/cni/tuning/run-0_eth1.json on the node",
        ),
    ]);
}
