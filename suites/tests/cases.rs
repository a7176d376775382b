//! The cases of the suite: none was lost when files became matrices, and files stay short.

use anyhow::Context as _;
use plumbline::expected::{self, Expected, Kind};
use plumbline::{root, select};
use plumbline_core::finding::FindingCode;
use plumbline_suites::trials::{NEGATIVE, SCENARIOS};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The old name of each case, its name now, and what it must come to.
const MAP: &str = "suites/tests/cases.txt";
/// What names of negative scenarios begin with in the map.
const NEGATIVE_NAME: &str = "negative/";
/// Most lines of YAML in `suites`.
const MAX_LINES: usize = 4_500;

/// The names of all cases, negative ones with their prefix.
fn names(root: &Path, expected: &Expected) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (folder, prefix) in [(SCENARIOS, ""), (NEGATIVE, NEGATIVE_NAME)] {
        for file in select::scenario_files(Path::new(folder))? {
            let name = file.strip_prefix(folder)?.with_extension("").display().to_string();
            if expected.negative.get(&name).is_some_and(|wanted| wanted.verdict == Kind::Refused) && !prefix.is_empty()
            {
                names.insert(format!("{prefix}{name}"));
                continue;
            }
            names.extend(select::cases(Some(root), &file)?.into_iter().map(|plan| format!("{prefix}{}", plan.name)));
        }
    }
    Ok(names)
}

/// What a case must come to, as the map says it.
fn result(expected: &Expected, name: &str) -> Option<String> {
    let line = |verdict: &str, codes: &[FindingCode], on: BTreeMap<&String, &Vec<FindingCode>>| {
        let list = |first: &str, codes: &[FindingCode]| {
            std::iter::once(first).chain(codes.iter().map(|code| code.as_str())).collect::<Vec<_>>().join(" ")
        };
        let lanes = on.into_iter().map(|(lane, codes)| format!("; {}", list(lane, codes)));
        list(verdict, codes) + &lanes.collect::<String>()
    };
    match name.strip_prefix(NEGATIVE_NAME) {
        Some(name) => {
            let wanted = expected.negative.get(name)?;
            let verdict = match wanted.verdict {
                Kind::Fail => "fail",
                Kind::Refused => "refused",
            };
            Some(line(verdict, &wanted.codes, wanted.codes_on.iter().collect()))
        }
        None => {
            let on = expected.warnings_on.iter().filter_map(|(lane, cases)| Some((lane, cases.get(name)?)));
            let codes = expected.warnings.get(name).map(Vec::as_slice).unwrap_or_default();
            Some(line("pass", codes, on.collect()))
        }
    }
}

#[test]
fn no_case_was_lost_and_each_comes_to_what_it_did() -> anyhow::Result<()> {
    let root = root::find()?;
    std::env::set_current_dir(&root)?;
    let expected = expected::read(&root)?;
    let names = names(&root, &expected)?;
    let (mut old_names, mut new_names, mut problems) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let text = std::fs::read_to_string(root.join(MAP))?;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (old, rest) = line.split_once(" -> ").with_context(|| format!("{MAP}: {line}"))?;
        let (new, before) = rest.split_once(": ").with_context(|| format!("{MAP}: {line}"))?;
        if !old_names.insert(old) {
            problems.push(format!("{old} is in {MAP} twice"));
        }
        if !new_names.insert(new) {
            problems.push(format!("{new} stands for two cases"));
        }
        if !names.contains(new) {
            problems.push(format!("{old}: there is no {new}"));
        }
        let now = result(&expected, new).unwrap_or_default();
        if now != before {
            problems.push(format!("{old}: expected `{before}`, found `{now}` for {new}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(old_names.len(), 166);
    Ok(())
}

#[test]
fn the_yaml_of_the_suite_stays_short() -> anyhow::Result<()> {
    fn lines(folder: &Path) -> std::io::Result<usize> {
        let mut count = 0;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                count += lines(&path)?;
            } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
                count += std::fs::read_to_string(&path)?.lines().count();
            }
        }
        Ok(count)
    }
    let count = lines(&root::find()?.join("suites"))?;
    assert!(count <= MAX_LINES, "{count} lines of YAML in suites; at most {MAX_LINES} are allowed");
    Ok(())
}
