//! A scenario with hosts outside and two networks, to be bent by the tests of topology and reachability.

use super::bent::{Files, S};
use plumbline_core::plan::Plan;

/// In order.
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

/// The files: the network's plugin asks for a static address.
pub fn files() -> Files {
    let mut files = Files::new();
    files.0.insert(S, WIRED.as_bytes().to_vec());
    let template = String::from_utf8(files.0["s/templates/nad.yaml"].clone()).unwrap();
    let template = template
        .replace("\"vlan\": {{ vlan }}, \"a\": {{ address }},", "\"master\": \"br-ex.{{ vlan }}\", \"ipam\": { \"type\": \"static\", \"addresses\": [{ \"address\": {{ address }} }] },");
    files.0.insert("s/templates/nad.yaml", template.replace("\"br-ex.{{ vlan }}\"", "\"br-ex.100\"").into_bytes());
    let other = super::bent::POD.replace("name: pod", "name: other");
    files.0.insert("s/other.yaml", other.into_bytes());
    files
}

/// The plan of it.
pub fn wired() -> Plan {
    files().load().unwrap_or_else(|errors| panic!("{errors:#?}"))
}
