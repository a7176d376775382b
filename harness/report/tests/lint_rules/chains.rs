//! Chains: order, versions, capabilities, plugins that are not known; sysctls of tuning.

use super::Pair;
use super::texts::{MACVLAN, bare, by_pod, config, config_list, fixed, ipam, list, nad, pod, pod_with};
use plumbline_core::lint::ClusterFacts;

pub fn pairs() -> Vec<Pair> {
    let mut pairs = of_chains();
    pairs.extend(of_capabilities());
    pairs.extend(of_sysctls());
    pairs
}

fn of_chains() -> Vec<Pair> {
    let chain = |plugin: &str| list(&[MACVLAN, &format!(r#""type": "{plugin}""#)]);
    let tuning = r#""type": "tuning""#;
    vec![
        Pair::new("no JSON", "PL603", nad("net", r#"{ "type": "macvlan", }"#), bare(MACVLAN)),
        Pair::new("no object", "PL603", nad("net", "[ 1 ]"), bare(MACVLAN)),
        Pair::new("meta plugin first", "PL604", list(&[tuning, MACVLAN]), list(&[MACVLAN, tuning])),
        Pair::new("meta plugin alone", "PL604", bare(tuning), bare(r#""type": "loopback""#)),
        Pair::new("two main plugins", "PL607", chain("bridge"), chain("tuning")),
        Pair::new(
            "`type` beside `plugins`",
            "PL613",
            list(&[MACVLAN]).replace("\"name\"", "\"type\": \"bridge\", \"name\""),
            list(&[MACVLAN]),
        ),
        Pair::new("no `cniVersion`", "PL606", bare(MACVLAN).replace("\"cniVersion\": \"1.0.0\", ", ""), bare(MACVLAN)),
        Pair::new(
            "unknown `cniVersion`",
            "PL606",
            bare(MACVLAN).replace("1.0.0", "1.2.0"),
            bare(MACVLAN).replace("1.0.0", "1.1.0"),
        ),
        Pair::new(
            "firewall below 0.4.0",
            "PL606",
            chain("firewall").replace("1.0.0", "0.3.1"),
            chain("firewall").replace("1.0.0", "0.4.0"),
        ),
        Pair::new(
            "route-override above 1.0.0",
            "PL606",
            chain("route-override").replace("1.0.0", "1.1.0"),
            chain("route-override"),
        ),
        Pair::new("no `name` in a file", "PL603", config(MACVLAN).replace("\"name\": \"net\",", ""), config(MACVLAN)),
        Pair::new(
            "no `name` in a list",
            "PL603",
            config_list(&[MACVLAN]).replace("\"name\": \"net\",", ""),
            config_list(&[MACVLAN]),
        ),
        Pair::new("misspelt `type`", "PL633", bare(r#""type": "macvaln""#), bare(r#""type": "macvlan""#)),
        Pair::new("misspelt `type` of `ipam`", "PL633", ipam(r#""type": "host_local""#), ipam(r#""type": "dhcp""#)),
        Pair::new(
            "plugin that is not known",
            "PL642",
            bare(r#""type": "example-fabric""#),
            bare(r#""type": "vlan", "master": "eth1", "ipam": { "type": "dhcp" }"#),
        ),
        Pair::new(
            "bandwidth behind macvlan",
            "PL605",
            chain("bandwidth"),
            list(&[r#""type": "bridge""#, r#""type": "bandwidth""#]),
        ),
        Pair::new(
            "unknown mode",
            "PL605",
            bare(&format!(r#"{MACVLAN}, "mode": "l2""#)),
            bare(&format!(r#"{MACVLAN}, "mode": "vepa""#)),
        ),
        Pair::new(
            "VLAN id out of range",
            "PL605",
            bare(r#""type": "bridge", "vlan": 4095"#),
            bare(r#""type": "bridge", "vlan": 4094"#),
        ),
        Pair::new(
            "IPAM plugin without a container interface",
            "PL605",
            bare(r#""type": "bridge", "disableContainerInterface": true, "ipam": { "type": "dhcp" }"#),
            bare(r#""type": "bridge", "disableContainerInterface": true, "ipam": {}"#),
        ),
    ]
}

fn of_capabilities() -> Vec<Pair> {
    let ports = r#""portMappings": [ { "hostPort": 80, "containerPort": 80 } ]"#;
    let portmap = |keys: &str| list(&[MACVLAN, &format!(r#""type": "portmap"{keys}"#)]) + &pod_with(ports);
    let ips = || pod_with(r#""ips": [ "192.0.2.9/24" ]"#);
    let mac = || pod_with(r#""mac": "02:00:00:00:00:01""#);
    let ptp = bare(r#""type": "ptp", "ipam": { "type": "host-local", "subnet": "192.0.2.0/24" }"#);
    vec![
        Pair::new("capability missing", "PL614", portmap(""), portmap(r#", "capabilities": { "portMappings": true }"#)),
        Pair::new(
            "capability that the plugin does not read",
            "PL614",
            list(&[MACVLAN, r#""type": "tuning", "capabilities": { "ips": true }"#]),
            list(&[MACVLAN, r#""type": "tuning", "capabilities": { "mac": true }"#]),
        ),
        Pair::new(
            "static whose pods request none",
            "PL614",
            ipam(r#""type": "static""#) + &pod("web", "net"),
            ipam(r#""type": "static""#) + &pod_with(r#""cni-args": { "ips": [ "192.0.2.9/24" ] }, "mac": null"#),
        ),
        Pair::new(
            "static without address and capability",
            "PL614",
            ipam(r#""type": "static""#),
            by_pod(r#""routes": []"#),
        ),
        Pair::new(
            "`ips` without the capability",
            "PL614",
            fixed("net", "eth1", "192.0.2.10/24") + &ips(),
            by_pod(r#""addresses": [ { "address": "192.0.2.10/24" } ]"#) + &ips(),
        ),
        Pair::new("`ips` without an IPAM plugin", "PL614", bare(MACVLAN) + &ips(), bare(MACVLAN) + &pod("web", "net")),
        Pair::new("MAC address that no plugin reads", "PL614", ptp + &mac(), bare(MACVLAN) + &mac()),
    ]
}

fn of_sysctls() -> Vec<Pair> {
    let tuning = |key: &str| list(&[MACVLAN, &format!(r#""type": "tuning", "sysctl": {{ {key} }}"#)]);
    let allowed = || ClusterFacts {
        tuning_allow_list: Some(vec![r"^net\.ipv4\.conf\.IFNAME\.[a-z_]+$".to_owned()]),
        ..ClusterFacts::default()
    };
    vec![
        Pair::new(
            "sysctl of another interface",
            "PL617",
            tuning(r#""net.ipv4.conf.eth2.rp_filter": "2""#) + &pod("web", "net@eth1"),
            tuning(r#""net.ipv4.conf.eth1.rp_filter": "2""#) + &pod("web", "net@eth1"),
        ),
        Pair::new(
            "interface with a dot",
            "PL617",
            tuning(r#""net.ipv4.conf.eth1.100.rp_filter": "2""#),
            tuning(r#""net.ipv4.conf.IFNAME.rp_filter": "2""#),
        ),
        Pair::new(
            "sysctl outside `net`",
            "PL617",
            tuning(r#""kernel.pid_max": "9""#),
            tuning(r#""net.core.somaxconn": "9""#),
        ),
        Pair::new(
            "one sysctl in two forms",
            "PL617",
            tuning(r#""net.ipv4.ip_forward": "1", "net/ipv4/ip_forward": "0""#),
            tuning(r#""net.ipv4.ip_forward": "1""#),
        ),
        Pair::new(
            "sysctl that the allow-list refuses",
            "PL617",
            tuning(r#""net.ipv4.conf.all.rp_filter": "2""#),
            tuning(r#""net.ipv4.conf.IFNAME.rp_filter": "2""#),
        )
        .cluster(allowed()),
    ]
}
