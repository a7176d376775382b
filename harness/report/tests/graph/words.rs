//! Golden texts of the tree and the flowchart.

use super::scenes;
use plumbline_report::graph::{Graph, mermaid, text};
use plumbline_report::paint;

fn tree(graph: &Graph) -> String {
    paint::strip(&text::write(graph))
}

#[test]
fn trees_match_their_golden_text() {
    insta::assert_snapshot!("seed.txt", tree(&scenes::seed()));
    insta::assert_snapshot!("seed-seen.txt", tree(&scenes::seed_seen()));
    insta::assert_snapshot!("seed-with-failures.txt", tree(&scenes::seed_with_failures()));
    insta::assert_snapshot!("wired.txt", tree(&scenes::wired()));
    insta::assert_snapshot!("wired-seen.txt", tree(&scenes::wired_seen()));
    insta::assert_snapshot!("behind.txt", tree(&scenes::behind()));
}

#[test]
fn flowcharts_match_their_golden_text() {
    insta::assert_snapshot!("seed.mmd", mermaid::write(&scenes::seed()));
    insta::assert_snapshot!("wired-seen.mmd", mermaid::write(&scenes::wired_seen()));
}

#[test]
fn a_missing_fact_is_named_in_the_tree() {
    let text = tree(&scenes::seed_with_failures());
    let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap_or_default().to_owned();
    assert!(line("10.0.0.0/8 via").contains("MISSING"), "{text}");
    assert!(line("10.9.9.9/32 ").contains("NOT REQUESTED"), "{text}");
    assert!(line("172.16.0.0/12 via").contains("as requested"), "{text}");
    assert!(!tree(&scenes::seed_seen()).contains("MISSING"));
}

#[test]
fn quotes_and_tags_in_names_stay_text() {
    let mut graph = scenes::seed();
    graph.nodes[0].pods[0].name = "a\"]; click <b> #1\u{1b}[2J".into();
    let chart = mermaid::write(&graph);
    assert!(chart.contains("a#quot;]#59; click #lt;b#gt; #35;1\\u{1b}[2J"), "{chart}");
}
