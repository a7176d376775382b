//! The models of ptp with portmap, macvlan with static and route-override, host-device and loopback, against recorded
//! chains and edits of them.

mod common;

use common::predicted::Recording;

fn ptp() -> Recording {
    Recording::read(include_str!("fixtures/predict/ptp.txt"))
}

fn macvlan() -> Recording {
    Recording::read(include_str!("fixtures/predict/macvlan.txt"))
}

fn host_device() -> Recording {
    Recording::read(include_str!("fixtures/predict/host-device.txt"))
}

fn loopback() -> Recording {
    Recording::read(include_str!("fixtures/predict/loopback.txt")).of_interface("lo")
}

#[test]
fn the_recorded_chains_have_no_finding() {
    for (name, recording) in
        [("ptp", ptp()), ("macvlan", macvlan()), ("host-device", host_device()), ("loopback", loopback())]
    {
        assert_eq!(recording.findings(), Vec::<String>::new(), "{name}");
        let coverage = recording.coverage();
        assert!(coverage.contains(" facts predicted, ") && !coverage.contains("not modelled"), "{name}: {coverage}");
    }
}

#[test]
fn ptp_leads_all_traffic_through_the_gateway() {
    ptp().assert_bent(&[
        ("add 0", "- pod route eth1: 10.8.0.1/32", "PL350 11 1/2 route 10.8.0.1/32 of eth1 in the pod"),
        (
            "add 0",
            "~ pod route eth1: 10.8.0.0/24 = unicast proto kernel scope link src 10.8.0.2",
            "PL350 11 1/2 route 10.8.0.0/24 of eth1 in the pod",
        ),
        (
            "add 0",
            "- pod route eth1: fd08::1/128 metric 1024",
            "PL350 12 1/2 route fd08::1/128 metric 1024 of eth1 in the pod",
        ),
        ("add 0", "- node route peer(eth1): 10.8.0.2/32", "PL350 11 1/2 route 10.8.0.2/32 of peer(eth1) on the node"),
        (
            "add 0",
            "- node address peer(eth1): 10.8.0.1/32\n- node route peer(eth1): 10.8.0.1/32 table 255",
            "PL350 11 1/2 address 10.8.0.1/32 of peer(eth1) on the node",
        ),
        ("add 0", "~ pod link eth1: up=off", "PL350 5 1/2 up of eth1 in the pod"),
        ("add 0", "+ pod route eth1: 0.0.0.0/0 = unicast proto boot", "PL351 5 1/2 route 0.0.0.0/0 of eth1 in the pod"),
        (
            "add 0",
            "+ node route peer(eth1): 10.9.0.0/16 = unicast proto boot",
            "PL352 5 1/2 route 10.9.0.0/16 of peer(eth1) on the node",
        ),
        (
            "del 0",
            r"+ node file: /var/lib/cni/networks/d/fd08::2 = run-0\neth1",
            "PL513 8 1/2 file /var/lib/cni/networks/d/fd08::2 on the node",
        ),
    ]);
}

#[test]
fn portmap_maps_each_port_and_del_leaves_the_chains_of_all_pods() {
    // The port mappings are no key of the configuration: the place is the plugin's.
    ptp().assert_bent(&[
        (
            "add 1",
            "- node firewall: -A CNI-DN-a1ef6dd2afdd247a598b4 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.8.0.2:80 of ip nat",
            "PL350 16 2/2 firewall: -A CNI-DN-a1ef6dd2afdd247a598b4 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.8.0.2:80 of ip nat on the node",
        ),
        (
            "add 1",
            "+ node firewall: -A OUTPUT -j ACCEPT of ip nat",
            "PL352 16 2/2 firewall: -A OUTPUT -j ACCEPT of ip nat on the node",
        ),
        (
            "add 1",
            "~ node sysctl peer(eth1): ipv4/route_localnet=0",
            "PL350 16 2/2 sysctl net/ipv4/conf/peer(eth1)/route_localnet on the node",
        ),
        (
            "del 1",
            "+ node firewall: chain CNI-DN-a1ef6dd2afdd247a598b4 of ip nat",
            "PL513 16 2/2 firewall: chain CNI-DN-a1ef6dd2afdd247a598b4 of ip nat on the node",
        ),
        (
            "del 1",
            "- node firewall: chain CNI-HOSTPORT-DNAT of ip nat",
            "PL352 16 2/2 firewall: chain CNI-HOSTPORT-DNAT of ip nat on the node",
        ),
    ]);
}

#[test]
fn macvlan_has_the_master_mode_and_addresses_of_its_configuration() {
    macvlan().assert_bent(&[
        ("add 0", "~ pod link eth1: mode=private", "PL350 7 1/2 mode of eth1 in the pod"),
        ("add 0", "~ pod link eth1: parent=eth7 of the node", "PL350 7 1/2 parent of eth1 in the pod"),
        ("add 0", "~ pod link eth1: mtu=1400", "PL350 7 1/2 mtu of eth1 in the pod"),
        (
            "add 0",
            "~ pod sysctl eth1: ipv6/ndisc_notify=0",
            "PL350 9 1/2 sysctl net/ipv6/conf/eth1/ndisc_notify in the pod",
        ),
        ("add 0", "- pod route eth1: 10.0.0.0/8", "PL350 16 1/2 route 10.0.0.0/8 of eth1 in the pod"),
        (
            "add 0",
            "~ pod route eth1: 10.64.0.0/10 = unicast via 192.168.100.1 proto boot",
            "PL350 17 1/2 route 10.64.0.0/10 of eth1 in the pod",
        ),
        (
            "add 0",
            "- pod address eth1: fd00:1::10/64\n- pod route eth1: fd00:1::/64 metric 256",
            "PL350 13 1/2 address fd00:1::10/64 of eth1 in the pod",
        ),
        ("add 0", "~ node link br-ex: promiscuity=2", "PL350 7 1/2 promiscuity of br-ex on the node"),
        ("add 0", "+ pod route eth1: 0.0.0.0/0 = unicast proto boot", "PL351 5 1/2 route 0.0.0.0/0 of eth1 in the pod"),
        ("add 0", "~ node link br-ex: mtu=1400", "PL352 5 1/2 mtu of br-ex on the node"),
    ]);
    // A parent that filters addresses counts nothing.
    assert_eq!(macvlan().bent("add 0", "~ node link br-ex: promiscuity=0").findings(), Vec::<String>::new());
    macvlan().assert_bent(&[("del 0", "+ pod link eth1: kind=macvlan; up=on", "PL513 5 1/2 kind of eth1 in the pod")]);
}

#[test]
fn route_override_means_what_it_says() {
    macvlan().assert_bent(&[
        ("add 1", "- pod route eth1: 172.16.0.0/12", "PL350 27 2/2 route 172.16.0.0/12 of eth1 in the pod"),
        (
            "add 1",
            "~ pod route eth1: 172.16.0.0/12 = unicast proto boot",
            "PL350 27 2/2 route 172.16.0.0/12 of eth1 in the pod",
        ),
        (
            "add 1",
            "+ pod route eth1: 10.64.0.0/10 = unicast via 192.168.100.2 proto boot",
            "PL350 24 2/2 route 10.64.0.0/10 of eth1 in the pod",
        ),
        ("add 1", "- pod route eth1: 10.0.0.0/8", "PL351 21 2/2 route 10.0.0.0/8 of eth1 in the pod"),
        ("add 1", "~ node link br-ex: mtu=1400", "PL352 21 2/2 mtu of br-ex on the node"),
    ]);
    macvlan().assert_bent(&[(
        "del 1",
        "- pod route eth1: 172.16.0.0/12",
        "PL351 21 2/2 route 172.16.0.0/12 of eth1 in the pod",
    )]);
}

#[test]
fn host_device_moves_the_device() {
    host_device().assert_bent(&[
        ("add 0", "~ pod link eth1: mac=02:00:00:00:00:09", "PL350 5 1/1 mac of eth1 in the pod"),
        ("add 0", "- pod link eth1: alias=uplink0", "PL350 5 1/1 alias of eth1 in the pod"),
        ("add 0", "+ node link uplink0: kind=veth; up=on; mtu=1500", "PL350 5 1/1 kind of uplink0 on the node"),
        (
            "add 0",
            "~ pod address eth1: 192.168.100.11/24 = scope link",
            "PL350 9 1/1 address 192.168.100.11/24 of eth1 in the pod",
        ),
        (
            "add 0",
            "+ pod address eth1: 192.168.100.12/32 = scope global",
            "PL351 0 1/1 address 192.168.100.12/32 of eth1 in the pod",
        ),
        ("add 0", "~ node link br-ex: up=off", "PL352 0 1/1 up of br-ex on the node"),
    ]);
}

#[test]
fn host_device_moves_the_device_back() {
    host_device().assert_bent(&[
        ("del 0", "~ node link uplink0: up=on", "PL350 5 1/1 up of uplink0 on the node"),
        ("del 0", "~ node link uplink0: mtu=1400", "PL350 5 1/1 mtu of uplink0 on the node"),
        ("del 0", "+ pod link eth1: kind=veth; up=on", "PL513 5 1/1 kind of eth1 in the pod"),
        ("del 0", "~ node link br-ex: up=off", "PL352 0 1/1 up of br-ex on the node"),
    ]);
    // A device that did not come back is one finding.
    host_device().assert_bent(&[("del 0", "- node uplink0", "PL350 5 1/1 kind of uplink0 on the node")]);
}

#[test]
fn loopback_sets_lo_up_and_down() {
    loopback().assert_bent(&[
        ("add 0", "~ pod link lo: up=off", "PL350 0 1/1 up of lo in the pod"),
        ("add 0", "+ pod address lo: 10.0.0.1/32 = scope global", "PL351 0 1/1 address 10.0.0.1/32 of lo in the pod"),
        ("add 0", "~ node link lo: up=off", "PL352 0 1/1 up of lo on the node"),
        ("del 0", "+ pod address lo: ::1/128 = scope host", "PL513 0 1/1 address ::1/128 of lo in the pod"),
        ("del 0", "- pod address lo: 127.0.0.1/8", "PL351 0 1/1 address 127.0.0.1/8 of lo in the pod"),
    ]);
}
