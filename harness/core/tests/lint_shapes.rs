//! The shapes of public networks: no false alarm. Every finding stands here with its reason.

mod common;

use common::linted::{codes, lint_text, nad, shown};

const RANGE: &str = r#"{ "type": "host-local", "subnet": "192.0.2.0/24" }"#;
const BOUNDS: &str =
    r#"{ "type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.10", "rangeEnd": "192.0.2.20" }"#;
const BOUNDS_AND_GATEWAY: &str = r#"{ "type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.10", "rangeEnd": "192.0.2.20", "gateway": "192.0.2.1" }"#;
const WITH_DEFAULT: &str = r#"{ "type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.10", "rangeEnd": "192.0.2.20", "gateway": "192.0.2.1", "routes": [ { "dst": "0.0.0.0/0" } ] }"#;
const RANGES: &str = r#"{ "type": "host-local", "ranges": [ [ { "subnet": "198.51.100.0/24", "rangeStart": "198.51.100.10", "rangeEnd": "198.51.100.20", "gateway": "198.51.100.1" } ] ] }"#;
const STATIC: &str = r#"{ "type": "static" }"#;
const ADDRESSES: &str =
    r#"{ "type": "static", "addresses": [ { "address": "203.0.113.7/24", "gateway": "203.0.113.1" } ] }"#;
const ROUTES: &str = r#"{ "type": "static", "routes": [ { "dst": "10.20.0.0/16", "gw": "203.0.113.1" } ] }"#;
const WHEREABOUTS: &str = r#"{ "type": "whereabouts", "range": "198.51.100.0/24" }"#;
const WHEREABOUTS_BOUNDS: &str = r#"{ "type": "whereabouts", "range": "198.51.100.0/24", "range_start": "198.51.100.10", "range_end": "198.51.100.20", "gateway": "198.51.100.1" }"#;
const WHEREABOUTS_LOG: &str = r#"{ "type": "whereabouts", "datastore": "kubernetes", "kubernetes": { "kubeconfig": "/etc/cni/net.d/whereabouts.d/whereabouts.kubeconfig" }, "range": "198.51.100.0/24", "exclude": [ "198.51.100.1/32" ], "log_file": "/tmp/whereabouts.log", "log_level": "debug" }"#;

/// No address and no capability: static refuses every pod.
const UNADDRESSED: (&str, &str) = ("PL614", "static has no address, and pods cannot choose one");
const NO_VERSION: (&str, &str) = ("PL606", "the configuration counts as 0.1.0");
const SECOND_DEFAULT: (&str, &str) = ("PL616", "it comes before eth0's default route");
const NOT_JSON: (&str, &str) = ("PL603", "no plugin is called");
const OTHER: (&str, &str) = ("PL642", "an information: keys of other projects' plugins are not known here");
const VENDOR: (&str, &str) = ("PL642", "an information: the plugin is not known here");

/// A bare plugin; `keys` has all but the version and the name.
fn bare(version: &str, keys: &str) -> String {
    format!("{{ \"cniVersion\": \"{version}\", \"name\": \"net\", {keys} }}")
}

fn list(version: &str, plugins: &str) -> String {
    format!("{{ \"cniVersion\": \"{version}\", \"name\": \"net\", \"plugins\": [ {plugins} ] }}")
}

/// A configuration without a version.
fn unversioned(keys: &str) -> String {
    format!("{{ \"name\": \"net\", {keys} }}")
}

/// A macvlan plugin's keys with this object `ipam`.
fn macvlan(master: &str, ipam: &str) -> String {
    let master = if master.is_empty() { String::new() } else { format!("\"master\": \"{master}\", ") };
    format!("\"type\": \"macvlan\", {master}\"mode\": \"bridge\", \"ipam\": {ipam}")
}

#[expect(clippy::too_many_lines, reason = "one table")]
#[test]
fn public_shapes_have_no_false_alarm() {
    let ips = |plugin: &str| format!("{{ {plugin}, \"capabilities\": {{ \"ips\": true }} }}");
    let tuning = r#"{ "type": "tuning" }"#;
    let tuning_mac = r#"{ "type": "tuning", "capabilities": { "mac": true } }"#;
    let shapes: Vec<(String, &[(&str, &str)])> = vec![
        (bare("1.1.0", r#""type": "example-relay", "delegate": {}, "postDelegates": []"#), &[VENDOR]),
        (
            bare(
                "0.4.0",
                &format!(
                    r#""type": "example-overlay", "mtu": 1400, "vni": 7, "vxlanPort": 4789, "capabilities": {{ "ips": true }}, "ipam": {ADDRESSES}"#
                ),
            ),
            &[VENDOR],
        ),
        (
            bare(
                "0.4.0",
                r#""type": "example-overlay", "mtu": 1400, "vxlanPort": 4789, "capabilities": { "ips": true }, "ipam": { "type": "whereabouts", "range": "198.51.100.0/24", "exclude": [ "198.51.100.0/28" ] }"#,
            ),
            &[VENDOR],
        ),
        (bare("0.4.0", &format!(r#""type": "example-overlay", "vni": 7, "ipam": {ADDRESSES}"#)), &[VENDOR]),
        (
            list(
                "0.3.1",
                r#"{ "type": "antrea", "ipam": { "type": "host-local" } }, { "type": "portmap", "capabilities": { "portMappings": true } }, { "type": "bandwidth", "capabilities": { "bandwidth": true } }"#,
            ),
            &[OTHER],
        ),
        (
            bare(
                "0.3.0",
                r#""type": "antrea", "networkType": "vlan", "vlan": 5, "ipam": { "type": "antrea", "ippools": [ "one" ] }"#,
            ),
            &[OTHER, OTHER],
        ),
        (
            bare(
                "0.3.1",
                &format!(
                    r#""type": "bond", "mode": "active-backup", "failOverMac": 1, "linksInContainer": true, "miimon": "100", "mtu": 1500, "links": [ {{ "name": "net1" }}, {{ "name": "net2" }} ], "ipam": {BOUNDS}"#
                ),
            ),
            &[OTHER],
        ),
        (
            list(
                "0.4.0",
                r#"{ "type": "bridge" }, { "type": "tuning", "sysctl": { "net.ipv4.conf.all.arp_notify": "1" } }"#,
            ),
            &[],
        ),
        (
            bare(
                "0.3.1",
                r#""type": "bridge", "bridge": "br1", "disableContainerInterface": true, "macspoofchk": true, "preserveDefaultVlan": false, "vlan": 100"#,
            ),
            &[],
        ),
        (
            list(
                "0.3.1",
                r#"{ "type": "bridge", "bridge": "br1", "disableContainerInterface": true, "macspoofchk": true }"#,
            ),
            &[],
        ),
        (
            unversioned(&format!(
                r#""type": "bridge", "bridge": "br1", "forceAddress": false, "hairpinMode": false, "ipMasq": true, "isDefaultGateway": true, "vlan": 10, "ipam": {BOUNDS}"#
            )),
            &[NO_VERSION, SECOND_DEFAULT],
        ),
        (
            unversioned(&format!(
                r#""type": "bridge", "bridge": "br1", "forceAddress": false, "hairpinMode": true, "ipMasq": true, "isDefaultGateway": true, "ipam": {RANGE}"#
            )),
            &[NO_VERSION, SECOND_DEFAULT],
        ),
        (bare("0.3.1", &format!(r#""type": "bridge", "bridge": "br1", "ipam": {RANGE}"#)), &[]),
        (bare("0.3.0", &format!(r#""type": "bridge", "bridge": "br1", "ipam": {STATIC}"#)), &[UNADDRESSED]),
        (bare("0.3.1", r#""type": "bridge", "mtu": 1400, "ipam": {}"#), &[]),
        ("{ cniVersion: 0.3.1, type: macvlan }".to_owned(), &[NOT_JSON]),
        ("{ \"cniVersion\": \"0.3.1\", \"type\": \"macvlan\", }".to_owned(), &[NOT_JSON]),
        ("{{ .Values.config }}".to_owned(), &[NOT_JSON]),
        ("{ \"type\": \"macvlan\", \"mtu\": , }".to_owned(), &[NOT_JSON]),
        (bare("0.3.0", r#""type": "flannel", "delegate": { "isDefaultGateway": true }"#), &[OTHER]),
        (bare("0.3.0", r#""type": "host-device", "device": "eth1""#), &[]),
        (bare("0.3.1", &format!(r#""type": "host-device", "device": "eth1", "ipam": {ADDRESSES}"#)), &[]),
        (bare("0.3.1", &format!(r#""type": "ipvlan", "master": "eth1", "ipam": {RANGE}"#)), &[]),
        (
            bare(
                "0.3.0",
                &format!(r#""type": "ipvlan", "master": "eth1", "mode": "l2", "ipam": {BOUNDS_AND_GATEWAY}"#),
            ),
            &[],
        ),
        (
            bare("0.3.0", &format!(r#""type": "ipvlan", "master": "eth1", "mode": "l3", "ipam": {STATIC}"#)),
            &[UNADDRESSED],
        ),
        (
            bare(
                "0.3.1",
                &format!(r#""type": "ipvlan", "master": "eth1", "mode": "l2", "ipam": {WHEREABOUTS_BOUNDS}"#),
            ),
            &[],
        ),
        (
            bare(
                "0.3.1",
                r#""type": "kube-ovn", "server_socket": "/run/openvswitch/kube-ovn-daemon.sock", "provider": "net.default.ovn""#,
            ),
            &[OTHER],
        ),
        (list("0.3.1", &format!("{{ {} }}, {{ \"type\": \"sbr\" }}", macvlan("eth1.100", ROUTES))), &[UNADDRESSED]),
        (list("1.1.0", &format!("{{ {} }}, {{ \"type\": \"sbr\" }}", macvlan("eth1.100", ROUTES))), &[UNADDRESSED]),
        (bare("0.3.0", &macvlan("eth1", r#"{ "type": "antrea", "ippools": [ "one" ] }"#)), &[OTHER]),
        (bare("0.3.1", &macvlan("eth1", WITH_DEFAULT)), &[SECOND_DEFAULT]),
        (bare("0.3.0", &macvlan("eth1", RANGES)), &[]),
        (bare("0.3.1", &macvlan("eth1", RANGES)), &[]),
        (bare("0.3.1", &macvlan("eth1", RANGE)), &[]),
        (bare("0.4.0", &macvlan("eth1", RANGE)), &[]),
        (
            bare(
                "0.3.0",
                &macvlan(
                    "eth1",
                    r#"{ "type": "kube-ovn", "server_socket": "/run/openvswitch/kube-ovn-daemon.sock", "provider": "net.default" }"#,
                ),
            ),
            &[OTHER],
        ),
        (
            list(
                "0.3.1",
                &format!(
                    "{{ {} }}, {{ \"type\": \"example-coordinator\", \"service_cidr\": [ \"10.96.0.0/12\" ] }}",
                    macvlan("eth1", r#"{ "type": "spiderpool" }"#)
                ),
            ),
            &[OTHER, VENDOR],
        ),
        (bare("0.3.0", &macvlan("eth1", STATIC)), &[UNADDRESSED]),
        (bare("0.3.1", &macvlan("eth1", STATIC)), &[UNADDRESSED]),
        (
            list(
                "0.3.1",
                &format!(
                    "{{ {} }}, {{ \"type\": \"route-override\", \"addroutes\": [ {{ \"dst\": \"10.20.0.0/16\", \"gw\": \"203.0.113.1\" }} ] }}",
                    macvlan("eth1", ADDRESSES)
                ),
            ),
            &[],
        ),
        (bare("0.3.0", &macvlan("eth1", WHEREABOUTS_LOG)), &[]),
        (bare("0.3.1", &macvlan("eth1", WHEREABOUTS_BOUNDS)), &[]),
        (bare("0.3.1", &macvlan("eth1", WHEREABOUTS)), &[]),
        (
            bare(
                "0.3.1",
                &macvlan(
                    "eth1",
                    r#"{ "type": "whereabouts", "range": "198.51.100.0/24", "routes": [ { "dst": "10.20.0.0/16", "gw": "198.51.100.1" } ] }"#,
                ),
            ),
            &[],
        ),
        (list("0.4.0", &format!("{}, {tuning}", ips(&macvlan("eth1", STATIC)))), &[]),
        (list("0.3.1", &format!("{}, {tuning_mac}", ips(&macvlan("eth1", ROUTES)))), &[]),
        (bare("0.3.0", &macvlan("br0", STATIC)), &[UNADDRESSED]),
        (bare("0.3.1", r#""type": "macvlan""#), &[]),
        (list("0.3.1", &format!("{{ {} }}", macvlan("", BOUNDS))), &[]),
        (
            bare(
                "0.3.1",
                &macvlan(
                    "",
                    r#"{ "type": "whereabouts", "range": "198.51.100.0/24", "exclude": [ "198.51.100.1/32" ] }"#,
                ),
            ),
            &[],
        ),
        (
            bare(
                "0.3.1",
                &macvlan(
                    "",
                    r#"{ "type": "whereabouts", "range": "198.51.100.17-198.51.100.30/24", "range_start": "198.51.100.17" }"#,
                ),
            ),
            &[],
        ),
        (list("0.3.1", &ips(&macvlan("", STATIC))), &[]),
        (list("0.3.1", &format!("{}, {tuning_mac}", ips(&macvlan("", STATIC)))), &[]),
        (list("0.3.1", &format!("{}, {tuning_mac}", ips(&macvlan("", ADDRESSES)))), &[]),
        (bare("0.3.1", r#""type": "macvtap", "mtu": 1500"#), &[OTHER]),
        (
            bare(
                "1.1.0",
                r#""type": "ovn-k8s-cni-overlay", "netAttachDefName": "default/net", "logFile": "/var/log/ovn.log", "logLevel": "5", "logfile-maxage": 5, "logfile-maxbackups": 5, "logfile-maxsize": 100"#,
            ),
            &[OTHER],
        ),
        (
            bare("0.3.1", &format!(r#""type": "ovs", "bridge": "br1", "mtu": 1500, "ipam": {STATIC}"#)),
            &[OTHER, UNADDRESSED],
        ),
        (list("0.3.1", &format!(r#"{{ "type": "ptp", "ipam": {RANGE} }}, {tuning}"#)), &[]),
        (
            bare(
                "1.0.0",
                &format!(
                    r#""type": "sriov", "logLevel": "info", "spoofchk": "off", "trust": "on", "vlan": 100, "vlanQoS": 0, "ipam": {RANGES}"#
                ),
            ),
            &[OTHER],
        ),
        (unversioned(r#""type": "sriov", "spoofchk": "off""#), &[NO_VERSION, OTHER]),
        (
            unversioned(&format!(r#""type": "sriov", "vlan": 100, "ipam": {WITH_DEFAULT}"#)),
            &[NO_VERSION, OTHER, SECOND_DEFAULT],
        ),
        (
            bare(
                "0.3.1",
                &format!(
                    r#""type": "vlan", "master": "eth1", "vlanId": 5, "mtu": 1500, "linkInContainer": false, "dns": {{ "nameservers": [ "192.0.2.53" ] }}, "ipam": {WHEREABOUTS}"#
                ),
            ),
            &[],
        ),
    ];
    for (config, wanted) in shapes {
        let report = lint_text(&nad("net", &config));
        let wanted: Vec<&str> = wanted.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes(&report.findings), wanted, "{config}\n{}", shown(&report));
        assert!(report.errors.is_empty(), "{config}\n{}", shown(&report));
    }
}
