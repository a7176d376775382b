//! The page of predictions names each plugin that has a model, and no other.

use plumbline_core::predict::modelled;
use std::collections::BTreeSet;

#[test]
fn the_page_has_a_row_for_each_model() {
    let page = include_str!("../../../docs/prediction.md");
    let table = page.split("## Plugins with a model").nth(1).expect("the section of models");
    let table = table.split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let rows: BTreeSet<&str> = rows.filter(|name| *name != "plugin").collect();
    assert_eq!(rows, modelled().collect());
}
