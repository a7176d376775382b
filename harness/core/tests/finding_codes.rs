//! Each finding code has a page, each page has a code, and each code is used.

mod common;

use plumbline_core::finding::{FindingCode, Severity};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_code_has_a_page_and_every_page_has_a_code() {
    let folder = common::suites().join("../docs/findings");
    let pages: BTreeSet<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let codes: BTreeSet<String> = FindingCode::ALL.iter().map(|code| format!("{code}.md")).collect();
    assert_eq!(pages, codes);
    for code in FindingCode::ALL {
        let head = format!("# {code}: {}\n\nSeverity: {}\n", code.title(), code.severity().as_str());
        let page = code.page();
        assert!(page.starts_with(&head), "{code}.md does not start with {head:?}");
        assert!(page.contains("## Likely causes") && page.contains("## What to do"), "{code}");
    }
}

#[test]
fn codes_are_read_in_any_case_and_written_as_they_are() {
    for code in FindingCode::ALL {
        assert_eq!(code.as_str().to_lowercase().parse(), Ok(*code));
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
    assert_eq!("PL999".parse::<FindingCode>().unwrap_err().to_string(), "finding code `PL999` does not exist");
    assert!(Severity::Failure > Severity::Warning && Severity::Warning > Severity::Info);
}

#[test]
fn every_code_is_used() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut used = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            used.extend(
                text.match_indices("FindingCode::PL").map(|(at, word)| text[at + word.len() - 2..][..5].to_owned()),
            );
        }
    }
    let codes: BTreeSet<String> = FindingCode::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(used, codes);
}
