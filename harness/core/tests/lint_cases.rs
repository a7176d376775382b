//! Inputs in the shape of public bug reports: the lint says what is wrong, at its line, and nothing else.

mod common;

use common::linted::{lint_as, shown};
use plumbline_core::lint::Options;

#[test]
fn every_case_has_its_findings_at_their_lines() {
    for (file, wanted) in [
        ("02-two-halves.yaml", &["10:21 PL616"][..]),
        ("03-empty-default-route.yaml", &["7:27 PL616"]),
        ("06-sbr-gateways.yaml", &["12:26 PL610", "12:58 PL610"]),
        ("11-interface-request.yaml", &["15:54 PL611", "15:85 PL602"]),
        ("13-no-version.yaml", &["6:11 PL606"]),
        ("13-with-version.yaml", &[]),
        ("18-gateway-zero.yaml", &["14:51 PL616", "14:73 PL605"]),
        ("19-annotation-on-workload.yaml", &["16:34 PL618"]),
        ("22-type-beside-plugins.yaml", &["9:24 PL613"]),
        ("22-vlan-as-text.yaml", &["7:90 PL609"]),
        ("24-cni-chain.yaml", &["8:5 PL610"]),
        ("24-both-keys.yaml", &["13:5 PL610", "13:5 PL635"]),
        ("24-node-config.yaml", &["7:15 PL610"]),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lint").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let report = lint_as(file, &text, &Options::default());
        let found: Vec<String> = report
            .findings
            .iter()
            .map(|finding| {
                let source = finding.source.as_ref().unwrap();
                format!("{}:{} {}", source.line, source.column, finding.code)
            })
            .collect();
        assert_eq!(found, wanted, "{file}\n{}", shown(&report));
        assert!(report.errors.is_empty(), "{file}\n{}", shown(&report));
    }
}
