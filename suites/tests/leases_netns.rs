//! Leaks of leases and rules on a node, caused by plugins whose DEL does nothing. No scenario with correct plugins has them.

use plumbline::{root, select};
use plumbline_core::finding::FindingCode;
use plumbline_core::verdict::Verdict;
use plumbline_lanes::context::Options;
use plumbline_suites::golden;
use plumbline_suites::trials::{self, TestTarget};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn a_plugin_whose_del_does_nothing_leaks_an_address() -> anyhow::Result<()> {
    let root = root::find()?;
    std::env::set_current_dir(&root)?;
    let plan = select::plan(Some(&root), Path::new("suites/tests/no-del/del-does-nothing.yaml"))?;
    let plugin = root.join("suites/tests/no-del/no-del-macvlan");
    let plugins = BTreeMap::from([("no-del-macvlan".to_owned(), plugin)]);
    let report = trials::run_with(TestTarget::lane("netns"), plan, Options { plugins, ..Options::default() })?;
    let Verdict::Fail { findings, .. } = report.verdict else { anyhow::bail!("expected a fail: {:?}", report.verdict) };
    assert_eq!(findings.len(), 1, "{findings:?}");
    golden::check_finding(&root, FindingCode::PL501, "netns", "no-del/del-does-nothing", &findings)
}

#[test]
fn a_chain_whose_del_does_nothing_leaks_rules() -> anyhow::Result<()> {
    let root = root::find()?;
    std::env::set_current_dir(&root)?;
    let plan = select::plan(Some(&root), Path::new("suites/tests/no-del/port-and-rules.yaml"))?;
    let no_del = |name: &str| (name.to_owned(), root.join("suites/tests/no-del").join(name));
    let plugins = BTreeMap::from([no_del("no-del-terway"), no_del("no-del-portmap")]);
    let report = trials::run_with(TestTarget::lane("netns"), plan, Options { plugins, ..Options::default() })?;
    let Verdict::Fail { findings, .. } = report.verdict else { anyhow::bail!("expected a fail: {:?}", report.verdict) };
    let mut codes: Vec<FindingCode> = findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    assert_eq!(codes, [FindingCode::PL510, FindingCode::PL512]);
    golden::check_finding(&root, FindingCode::PL510, "netns", "no-del/port-and-rules", &findings)?;
    golden::check_finding(&root, FindingCode::PL512, "netns", "no-del/port-and-rules", &findings)
}
