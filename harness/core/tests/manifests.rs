//! Users' manifests in many forms, each valid for kubectl.

mod common;

use common::edited::{Files, S};
use plumbline_core::plan::Plan;

/// A NetworkAttachmentDefinition of a public repository: a block scalar at the end, and no newline after it.
const NAD: &str = r#"apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: one
spec:
  config: |
    {
      "cniVersion": "1.0.0",
      "name": "one",
      "type": "macvlan",
      "master": "br-ex",
      "ipam": { "type": "static", "addresses": [ { "address": "192.0.2.10/24" } ] }
    }"#;

fn load(nad: &str) -> Plan {
    let mut files = Files::new().replace_text(S, "template: nad.yaml\n", "manifest: nad.yaml\n").replace_text(
        S,
        "    values: { name: one, vlan: 100, address: 10.0.0.10/24, routes: [10.2.0.0/16] }\n",
        "",
    );
    files.0.insert("s/nad.yaml", nad.as_bytes().to_vec());
    files.load().unwrap_or_else(|errors| panic!("{nad:?}: {errors:#?}"))
}

#[test]
fn a_manifest_may_end_without_a_newline() {
    let plan = load(NAD);
    let network = &plan.networks[0];
    assert_eq!(network.chain.as_ref().unwrap().links[0].plugin, "macvlan");
    assert!(network.config.as_ref().unwrap().ends_with("}"));
    assert_eq!((network.keys["master"].line, network.keys["master"].column), (11, 7));
}

#[test]
fn every_form_of_a_block_scalar_gives_the_same_chain() {
    let chain = load(NAD).networks[0].chain.clone();
    for header in ["|", "|-", "|+", ">", ">-", ">+", "|4-", "| # note"] {
        for end in ["", "\n", "\n\n", "\n# note", "\n---\n", "\n...\n"] {
            let text = NAD.replace('|', header).replace("|4", "|2") + end;
            for text in [text.replace('\n', "\r\n"), format!("\u{feff}{text}"), text] {
                assert_eq!(load(&text).networks[0].chain, chain, "{text:?}");
            }
        }
    }
}
