//! A scenario with external hosts and probes. Tests of topology and reachability edit it.

use super::edited::{Files, S};
use super::observed::{connected, link, route, seed};
use plumbline_core::observe::{KernelState, Observation, PodObservation};
use plumbline_core::plan::Plan;

/// The valid scenario.
pub const WIRED: &str = "\
apiVersion: plumbline.dev/v1alpha1
kind: Scenario
metadata: { name: topic/case }
topology:
  nodes: 2
  bridges:
    - { name: br-ex, uplink: outside, vlanFiltering: true, vlans: [100, 200] }
  links:
    - { name: br-ex.100, parent: br-ex, vlan: 100, protocol: 802.1Q }
  uplinks: [{ name: outside }]
  gateways:
    - { name: gw, ports: [{ uplink: outside, vlan: 100, addresses: [10.0.0.1/24] }], behind: [10.2.2.3/32], routes: [{ to: 10.3.0.0/16, via: 10.0.0.7 }] }
  peers:
    - { name: peer, ports: [{ uplink: outside, addresses: [10.9.0.1/24] }] }
networks:
  - template: nad.yaml
    values: { name: one, vlan: 100, address: 10.0.0.10/24, routes: [10.2.0.0/16] }
pods:
  - { manifest: pod.yaml, node: 2 }
  - { manifest: other.yaml, copies: 3 }
expect:
  pod:
    reaches:
      - { to: 10.2.2.3, at: gw, by: icmp, through: eth1, gateway: 10.0.0.1, seenFrom: 10.0.0.10, tags: [100] }
      - { to: 10.2.2.3, at: gw, by: tcp, port: 8080 }
      - { pod: other, interface: eth1, by: udp, port: 5000 }
      - { to: 10.0.0.1, at: gw, by: arp, through: eth1 }
    cannotReach:
      - { pod: other-1, interface: eth1, by: icmp, because: no-answer, control: { pod: other-2, interface: eth1 }, reachedBy: peer }
      - { to: 203.0.113.1, by: icmp, because: no-route, control: { to: 10.2.2.3 } }
  other:
    reaches:
      - { pod: other, interface: eth1, by: icmp }
";

/// The plugin's keys: valid ones, which use every value of the template.
const CHAIN: &str = "\"master\": \"br-ex.100\", \"args\": { \"v\": {{ vlan }}, \"r\": {{ routes }} }, \
    \"ipam\": { \"type\": \"static\", \"addresses\": [{ \"address\": {{ address }} }] }";

/// The files: the network's plugin has a static address.
pub fn files() -> Files {
    let mut files = Files::new();
    files.0.insert(S, WIRED.as_bytes().to_vec());
    let template = String::from_utf8(files.0["s/templates/nad.yaml"].clone()).unwrap();
    let template = template.replace("\"vlan\": {{ vlan }}, \"a\": {{ address }}, \"r\": {{ routes }}", CHAIN);
    files.0.insert("s/templates/nad.yaml", template.into_bytes());
    let other = super::edited::POD.replace("name: pod", "name: other");
    files.0.insert("s/other.yaml", other.into_bytes());
    files
}

/// The plan of it.
pub fn wired() -> Plan {
    files().load().unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Its pods when they are Ready, with the addresses from IPAM.
pub fn observed() -> Observation {
    let mut all = Observation::default();
    for (index, name) in ["pod", "other-1", "other-2", "other-3"].into_iter().enumerate() {
        let own = format!("10.0.0.{}", 10 + index);
        let mut links = vec![
            link(1, "lo", None, None, &["127.0.0.1/8"]),
            link(2, "eth0", Some("veth"), Some(9), &[&format!("10.244.0.{}/24", 5 + index)]),
            link(3, "eth1", Some("macvlan"), Some(5), &[&format!("{own}/24")]),
        ];
        links[1].mac = format!("02:00:00:00:00:2{index}");
        links[2].mac = format!("02:00:00:00:00:1{index}");
        let routes = vec![
            route("0.0.0.0/0", Some("10.244.0.1"), "eth0"),
            connected("10.0.0.0/24", &own, "eth1"),
            route("10.2.0.0/16", Some("10.0.0.1"), "eth1"),
        ];
        let pod: PodObservation = seed().pods.remove(0);
        let kernel = Some(KernelState { links, routes, rules: vec![] });
        let (reported, outcomes) = (vec![], vec![]);
        all.pods.push(PodObservation { pod: name.to_owned(), kernel, reported, outcomes, ..pod });
    }
    all
}
