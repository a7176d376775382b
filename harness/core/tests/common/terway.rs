//! A scenario behind Terway. Tests of node ports edit it.

use super::edited::{Files, S};
use plumbline_core::plan::Plan;

/// A node with an ENI, an external client, and a pod with hostPorts.
pub const SCENARIO: &str = "\
apiVersion: plumbline.dev/v1alpha1
kind: Scenario
metadata: { name: topic/case }
lanes: [netns]
topology:
  nodes: 2
  defaultNetwork: chain.conflist
  kubeMarkMasq: true
  tuningAllowList: ['^net']
  uplinks: [{ name: lan }, { name: vpc }]
  ports:
    - { name: eth0, uplink: lan, addresses: [10.66.0.10/24], defaults: [10.66.0.1] }
    - { name: eth0, node: 2, uplink: lan, addresses: [10.66.0.11/24], defaults: [10.66.0.1] }
    - { name: eth1, uplink: vpc, eni: { gateway: 10.77.0.1, table: 1001, pool: 10.77.0.16/28, subnet: 10.77.0.0/24 } }
  peers: [{ name: client, ports: [{ uplink: lan, addresses: [10.66.0.20/24] }] }]
pods: [{ manifest: pod.yaml, node: 1 }]
expect:
  web:
    reachedBy:
      - { sender: client, by: tcp, port: 8080, seenFrom: client, backBy: eth0 }
      - { sender: node, at: localhost, by: tcp, port: 8080, seenFrom: node }
      - { sender: node-2, by: udp, port: 5005, seenFrom: 10.66.0.11 }
      - { sender: web, by: tcp, port: 8080 }
    sysctls: { net.ipv6.conf.all.disable_ipv6: '1' }
    linkLocal: none
";

/// Its pod.
pub const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  containers:
  - { name: a, image: b, ports: [{ containerPort: 80, hostPort: 8080 }, { containerPort: 50, hostPort: 5005, protocol: UDP }] }
";

/// Its chain.
pub const CHAIN: &str = r#"{ "cniVersion": "0.4.0", "name": "terway-chainer", "plugins": [
    { "type": "terway", "symmetric_routing": true, "symmetric_routing_config": { "backend": "nftables" } },
    { "type": "portmap", "capabilities": { "portMappings": true } } ] }"#;

/// The files of it.
pub fn files() -> Files {
    let mut files = Files::new();
    files.0.insert(S, SCENARIO.as_bytes().to_vec());
    files.0.insert("s/pod.yaml", POD.as_bytes().to_vec());
    files.0.insert("s/chain.conflist", CHAIN.as_bytes().to_vec());
    files
}

/// The plan of it.
pub fn plan() -> Plan {
    files().load().unwrap_or_else(|errors| panic!("{errors:#?}"))
}
