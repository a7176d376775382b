//! Every code has its page, every page its code, and the judge uses no other.

mod common;

use plumbline_core::finding::{Severity, catalogue, explain};
use std::collections::BTreeSet;

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let folder = common::suites().join("../docs/findings");
    let pages: BTreeSet<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let codes: BTreeSet<String> = catalogue().iter().map(|entry| format!("{}.md", entry.code)).collect();
    assert_eq!(pages, codes);
    for entry in catalogue() {
        let severity = if entry.severity == Severity::Error { "error" } else { "warning" };
        let head = format!("# {}: {}\n\nSeverity: {severity}\n", entry.code, entry.title);
        assert!(entry.page.starts_with(&head), "{}", entry.code);
        assert!(entry.page.contains("## Likely causes") && entry.page.contains("## What to do"), "{}", entry.code);
    }
    assert_eq!(explain("pl601").unwrap().code, "PL601");
}

#[test]
fn the_judge_uses_the_codes_of_the_catalogue_and_all_of_them() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut used = BTreeSet::new();
    // The lint of Terway's configuration is a judge too, of texts.
    let mut folders = vec![sources.join("judge"), sources.join("terway")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for (at, _) in text.match_indices("\"PL") {
            let code = &text[at + 1..at + 6];
            if text[at + 6..].starts_with(['"', ':']) {
                used.insert(code.to_owned());
            }
        }
    }
    let codes: BTreeSet<String> = catalogue().iter().map(|entry| entry.code.to_owned()).collect();
    assert_eq!(used, codes);
}
