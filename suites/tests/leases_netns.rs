//! What outlives its pod, a lease or rules on the node, which no scenario file can bring about with plugins that do their work.

use plumbline::{root, select};
use plumbline_core::verdict::Verdict;
use plumbline_lanes::context::Options;
use plumbline_suites::golden;
use plumbline_suites::trials::{self, Bed};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn a_plugin_whose_del_does_nothing_fails_a_pod_that_was_as_wanted() -> anyhow::Result<()> {
    let root = root::find()?;
    std::env::set_current_dir(&root)?;
    let plan = select::plan(Some(&root), Path::new("suites/tests/lazy/del-does-nothing.yaml"))?;
    let plugin = root.join("suites/tests/lazy/lazy-macvlan");
    let plugins = BTreeMap::from([("lazy-macvlan".to_owned(), plugin)]);
    let report = trials::run_with(Bed::lane("netns"), plan, Options { plugins, ..Options::default() })?;
    anyhow::ensure!(matches!(report.verdict, Verdict::Fail { .. }), "{:?}", report.verdict);
    golden::compare(&root, "netns/lazy/del-does-nothing", &golden::report(&report))
}

#[test]
fn a_chain_whose_del_does_nothing_leaves_rules_on_the_node_that_are_told() -> anyhow::Result<()> {
    let root = root::find()?;
    std::env::set_current_dir(&root)?;
    let plan = select::plan(Some(&root), Path::new("suites/tests/lazy/port-and-rules.yaml"))?;
    let lazy = |name: &str| (name.to_owned(), root.join("suites/tests/lazy").join(name));
    let plugins = BTreeMap::from([lazy("lazy-terway"), lazy("lazy-portmap")]);
    let report = trials::run_with(Bed::lane("netns"), plan, Options { plugins, ..Options::default() })?;
    anyhow::ensure!(matches!(report.verdict, Verdict::Fail { .. }), "{:?}", report.verdict);
    golden::compare(&root, "netns/lazy/port-and-rules", &golden::report(&report))
}
