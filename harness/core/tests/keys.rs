//! Known facts of the key table, each read by hand in the sources of the releases that it names.

use plumbline_core::keys::{JsonType, Key, KeyState, KeyTable, Kind, Object, PluginKeys, Release, TextFormat};
use std::time::Instant;

fn table() -> &'static KeyTable {
    KeyTable::embedded()
}

fn plugin(name: &str) -> &'static PluginKeys {
    table().plugin(name).unwrap_or_else(|| panic!("plugin {name} is not in the table"))
}

/// A key by its path, with blanks between the parts.
fn key(of: &'static PluginKeys, path: &str) -> &'static Key {
    let parts: Vec<&str> = path.split(' ').collect();
    let (name, parent) = parts.split_last().unwrap();
    of.find(parent, name).unwrap_or_else(|| panic!("{} has no key {path}", of.name))
}

fn release(text: &str) -> Release {
    text.parse().unwrap()
}

#[test]
fn the_embedded_text_is_read() {
    let text = include_str!("../src/keys/table.txt");
    let started = Instant::now();
    let read = KeyTable::parse(text).unwrap();
    let elapsed = started.elapsed();
    assert_eq!(&read, table());
    assert!(elapsed.as_millis() < 100, "{elapsed:?}");
    assert!(text.len() < 150_000, "{} bytes", text.len());
    for plugin in read.plugins() {
        let paths: Vec<_> = plugin.keys.iter().map(|key| &key.path).collect();
        for key in &plugin.keys {
            let parent = key.parent();
            assert!(
                parent.is_empty() || parent == ["CNI_ARGS"] || paths.iter().any(|path| path.as_slice() == parent),
                "{}: {parent:?} is missing",
                plugin.name
            );
        }
    }
}

/// Plugin, key, the last release without it, the first release with it.
#[test]
fn keys_come_with_their_release() {
    for (name, path, without, with) in [
        ("sbr", "table", "1.5.1", "1.6.0"),
        ("sbr", "gateways", "1.9.1", "1.10.0"),
        ("sbr", "addSourceHints", "1.9.1", "1.10.0"),
        ("bridge", "vlanTrunk", "1.2.0", "1.3.0"),
        ("bridge", "vlanTrunk minID", "1.2.0", "1.3.0"),
        ("bridge", "preserveDefaultVlan", "1.2.0", "1.3.0"),
        ("bridge", "portIsolation", "1.6.2", "1.7.1"),
        ("bridge", "disableContainerInterface", "1.4.0", "1.4.1"),
        ("bridge", "macspoofchk", "1.0.1", "1.1.1"),
        ("bridge", "enabledad", "1.0.1", "1.1.1"),
        ("bridge", "ipMasqBackend", "1.5.1", "1.6.2"),
        ("macvlan", "bcqueuelen", "1.5.1", "1.6.0"),
        ("macvlan", "linkInContainer", "1.2.0", "1.3.0"),
        ("ipvlan", "linkInContainer", "1.2.0", "1.3.0"),
        ("vlan", "linkInContainer", "1.2.0", "1.3.0"),
        ("tuning", "txQLen", "1.3.0", "1.4.0"),
        ("tuning", "args cni txQLen", "1.3.0", "1.4.0"),
        ("firewall", "ingressPolicy", "1.0.1", "1.1.1"),
        ("portmap", "masqAll", "1.1.1", "1.2.0"),
        ("portmap", "backend", "1.5.1", "1.6.0"),
        ("tap", "bridge", "1.3.0", "1.4.0"),
        ("dhcp", "ipam provide", "1.0.1", "1.1.1"),
        ("dhcp", "ipam priority", "1.5.1", "1.6.2"),
        ("host-device", "useInterfaceNetwork", "1.9.1", "1.10.0"),
        ("whereabouts", "ipam node_slice_size", "0.8.0", "0.9.0"),
        ("terway", "symmetric_routing", "1.14.9", "1.15.0"),
    ] {
        let key = key(plugin(name), path);
        assert_eq!(key.state_in(release(without)), KeyState::NotYet, "{name} {path} in {without}");
        assert_eq!(key.state_in(release(with)), KeyState::Read, "{name} {path} in {with}");
        assert_eq!(key.state_in(release("99.0.0")), KeyState::Read, "{name} {path}");
    }
    for (name, path) in [
        ("portmap", "conditionsV4"),
        ("portmap", "runtimeConfig portMappings hostPort"),
        ("tuning", "allmulti"),
        ("static", "ipam addresses gateway"),
        ("host-local", "runtimeConfig ipRanges subnet"),
        ("bridge", "args cni mac"),
        ("whereabouts", "ipam range"),
        ("macvlan", "runtimeConfig mac"),
    ] {
        let key = key(plugin(name), path);
        let first = table().source(&plugin(name).source).unwrap().releases[0];
        assert_eq!(key.state_in(first), KeyState::Read, "{name} {path}");
        assert_eq!(key.state_in(release("0.0.1")), KeyState::Unknown, "{name} {path}");
    }
}

#[test]
fn keys_go_with_their_release() {
    let shaped = key(plugin("bandwidth"), "shapedSubnets");
    let state = |text| shaped.state_in(release(text));
    assert_eq!(
        [state("1.4.0"), state("1.5.1"), state("1.6.0"), state("1.9.1")],
        [KeyState::NotYet, KeyState::Read, KeyState::NoLonger, KeyState::NoLonger]
    );
    // Between two releases that were read, nothing is known.
    assert_eq!(key(plugin("bridge"), "portIsolation").state_in(release("1.7.0")), KeyState::Unknown);
}

#[test]
fn no_release_has_what_was_never_there() {
    for (name, path, absent) in [
        ("macvlan", &[][..], "vlan"),
        ("ipvlan", &[], "vlan"),
        ("ptp", &[], "vlan"),
        ("static", &["ipam"], "subnet"),
        ("static", &["ipam", "addresses"], "gw"),
    ] {
        assert_eq!(plugin(name).find(path, absent), None, "{name} {path:?} {absent}");
    }
    assert_eq!(table().plugin("routing-override"), None);
    assert_eq!(table().plugin("Macvlan"), None);
}

#[test]
fn types_are_those_of_the_decoder() {
    let text = JsonType::Text;
    let list = |of| JsonType::List(Box::new(of));
    for (name, path, json_type) in [
        ("bridge", "vlan", JsonType::Integer { signed: true, bits: 64 }),
        ("bridge", "vlanTrunk", list(JsonType::Object)),
        ("macvlan", "bcqueuelen", JsonType::Integer { signed: false, bits: 32 }),
        ("vrf", "table", JsonType::Integer { signed: false, bits: 32 }),
        ("tuning", "sysctl", JsonType::Map(Box::new(text(TextFormat::Plain)))),
        ("bandwidth", "ingressRate", JsonType::Integer { signed: false, bits: 64 }),
        ("static", "ipam routes", list(JsonType::Object)),
        ("static", "ipam routes dst", text(TextFormat::Cidr)),
        ("static", "ipam routes gw", text(TextFormat::Ip)),
        ("static", "ipam addresses address", text(TextFormat::Plain)),
        ("static", "ipam addresses gateway", text(TextFormat::Ip)),
        ("host-local", "ipam ranges", list(list(JsonType::Object))),
        ("host-local", "ipam ranges subnet", text(TextFormat::Cidr)),
        ("host-local", "runtimeConfig ips", list(text(TextFormat::IpOrCidr))),
        ("whereabouts", "ipam range_start", text(TextFormat::Plain)),
        ("whereabouts", "ipam ipRanges exclude", list(text(TextFormat::Plain))),
        ("portmap", "capabilities", JsonType::Map(Box::new(JsonType::Boolean))),
        ("route-override", "args cni addroutes dst", text(TextFormat::Cidr)),
    ] {
        assert_eq!(key(plugin(name), path).json_type, json_type, "{name} {path}");
    }
}

#[test]
fn kinds_are_those_of_the_project() {
    for (kind, names) in [
        (Kind::Main, "bridge dummy host-device ipvlan macvlan ptp tap vlan terway"),
        (Kind::Meta, "bandwidth firewall portmap route-override sbr tuning vrf"),
        (Kind::Ipam, "dhcp host-local static whereabouts"),
        (Kind::Other, "loopback multus passthru"),
    ] {
        let found: std::collections::BTreeSet<&str> =
            table().plugins().iter().filter(|plugin| plugin.kind == kind).map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(found, names.split(' ').collect(), "{kind:?}");
    }
    assert_eq!(plugin("tap").since, release("1.3.0"));
    assert_eq!(plugin("dummy").since, release("1.2.0"));
}

#[test]
fn letters_count_where_the_decoder_has_a_map() {
    let bridge = plugin("bridge");
    assert_eq!(bridge.find(&[], "ISGATEWAY").map(Key::name), Some("isGateway"));
    let list = table().object(Object::NetworkList).unwrap();
    assert!(list.find(&[], "disableCheck").is_some() && list.find(&[], "disablecheck").is_none());
    assert_eq!(list.find(&[], "disableCheck").unwrap().json_type, JsonType::BooleanOrText);
    let map = table().object(Object::EniConfigMap).unwrap();
    assert!(map.find(&[], "10-terway.conflist").is_some() && map.find(&[], "ENI_CONF").is_none());
    assert!(plugin("static").find(&["CNI_ARGS"], "IP").is_some_and(|key| key.exact_case));
}

#[test]
fn objects_of_multus_and_terway_are_there() {
    let selection = table().object(Object::NetworkSelection).unwrap();
    for name in ["name", "namespace", "ips", "mac", "interface", "cni-args", "default-route", "infiniband-guid"] {
        assert!(selection.find(&[], name).is_some_and(|key| !key.deprecated), "{name}");
    }
    let old = selection.find(&[], "interfaceRequest").unwrap();
    assert!(old.deprecated && old.read && old.note.is_some());
    assert!(selection.find(&["portMappings"], "hostPort").is_some());
    let eni_conf = table().object(Object::EniConf).unwrap();
    for name in ["max_pool_size", "vswitches", "security_groups", "ip_stack", "service_cidr"] {
        assert!(eni_conf.find(&[], name).is_some(), "{name}");
    }
    let map = table().object(Object::EniConfigMap).unwrap();
    let chain = map.find(&[], "cni_chain").unwrap();
    assert_eq!(chain.state_in(release("1.17.5")), KeyState::NotYet);
    for name in ["eni_conf", "10-terway.conf", "disable_network_policy", "in_cluster_loadbalance"] {
        assert_eq!(map.find(&[], name).unwrap().state_in(release("1.17.5")), KeyState::Read, "{name}");
    }
    for name in ["network_policy_provider", "symmetric_routing", "host_stack_cidrs", "cilium_args"] {
        assert!(plugin("terway").find(&[], name).is_some(), "{name}");
    }
    let delegate = table().object(Object::Delegate).unwrap();
    for name in ["type", "plugins", "cniVersion", "name", "disableCheck"] {
        assert!(delegate.find(&[], name).is_some(), "{name}");
    }
    let common = table().object(Object::EveryPlugin).unwrap();
    for name in ["cniVersion", "name", "type", "capabilities", "ipam", "dns", "args", "runtimeConfig"] {
        assert!(common.find(&[], name).is_some(), "{name}");
    }
}

#[test]
fn what_no_code_reads_is_marked() {
    for (name, path) in [("whereabouts", "ipam etcd_host"), ("terway", "veth_prefix"), ("terway", "ipam")] {
        assert!(!key(plugin(name), path).read, "{name} {path}");
    }
    let masquerade = key(plugin("portmap"), "masqAll");
    assert!(masquerade.read && masquerade.note.as_ref().is_some_and(|note| note.contains("nftables")));
    assert!(key(plugin("static"), "ipam addresses Address").internal);
}

#[test]
fn a_source_names_module_release_file_and_line() {
    let place = &key(plugin("bridge"), "vlanTrunk").source;
    let (module, place) = place.split_once(' ').unwrap();
    assert_eq!(module, "github.com/containernetworking/plugins@v1.3.0");
    assert!(place.starts_with("plugins/main/bridge/bridge.go:"), "{place}");
    let common = &key(plugin("bridge"), "dns domain").source;
    assert!(common.starts_with("github.com/containernetworking/cni@v1.0.1 pkg/types/types.go:"), "{common}");
}

#[test]
fn bad_tables_are_refused_with_their_line() {
    for (text, expected) in [
        ("source a m 1.0", ""),
        (" key string 1.0.0 - f", "key table, line 1: key has no plugin or object above it"),
        ("plugin a b main 1.0.0 -\n k string 1.0.0 - f", "key table, line 2: unknown source"),
        (
            "source a m 1.0.0\nplugin a b head 1.0.0 -",
            "key table, line 2: kind: expected main, meta, ipam or other, found head",
        ),
        ("source a m 1.0.0\nplugin a b main 1.0.0 -\n k text 1.0.0 - f", "key table, line 3: type: `text` is unknown"),
        (
            "source a m 1.0.0\nplugin a b main 1.0.0 -\n k string 1.0.0 -",
            "key table, line 3: column `source` is missing",
        ),
        (
            "source a m 1.0.0\nplugin a b main 1.0.0 -\n k string 1.0.0 - f odd",
            "key table, line 3: flag: `odd` is unknown",
        ),
        ("object a b 1.0.0 -", "key table, line 1: object: `b` is unknown"),
        ("nothing", "key table, line 1: line: expected source, plugin or object with their columns, found `nothing`"),
    ] {
        let found = KeyTable::parse(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(found, expected, "{text}");
    }
}
