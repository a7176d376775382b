//! Texts for users keep to the glossary: no banned term in README, docs, `--help`, messages and hints.

use anyhow::Context as _;
use plumbline_suites::command::run;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Banned {
    terms: Vec<Term>,
    exempted: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    term: String,
    instead: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn texts_for_users_have_no_banned_terms() -> anyhow::Result<()> {
    let banned: Banned = serde_yaml::from_str(&std::fs::read_to_string(root().join("suites/banned-terms.yaml"))?)?;
    let mut problems = Vec::new();
    let mut unused: Vec<&String> = banned.exempted.iter().collect();
    for path in files()? {
        let name = path.strip_prefix(root())?.display().to_string();
        let text = std::fs::read_to_string(&path).with_context(|| name.clone())?;
        let found: Vec<String> = lines_for_users(&name, &text)
            .into_iter()
            .flat_map(|(line, text)| check_line(&banned.terms, &format!("{name}:{line}"), &text))
            .collect();
        if banned.exempted.contains(&name) {
            unused.retain(|exempted| **exempted != name || found.is_empty());
        } else {
            problems.extend(found);
        }
    }
    problems.extend(unused.iter().map(|name| format!("{name}: exempted without a banned term in it")));
    anyhow::ensure!(problems.is_empty(), "{}\n{} in all", problems.join("\n"), problems.len());
    Ok(())
}

#[tokio::test]
async fn the_help_of_every_command_has_no_banned_terms() -> anyhow::Result<()> {
    let banned: Banned = serde_yaml::from_str(&std::fs::read_to_string(root().join("suites/banned-terms.yaml"))?)?;
    let mut open: Vec<Vec<String>> = vec![vec![]];
    let (mut problems, mut seen) = (Vec::new(), 0);
    while let Some(command) = open.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = run(&arguments).await?.stdout;
        seen += 1;
        let label = format!("plumbline {}", arguments.join(" "));
        for line in help.lines() {
            problems.extend(check_line(&banned.terms, &label, line));
        }
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = listed.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
        for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            open.push(command.iter().cloned().chain([name.to_owned()]).collect());
        }
    }
    anyhow::ensure!(seen > 15, "only {seen} commands");
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// Markdown for users, and the sources whose string literals they see.
fn files() -> anyhow::Result<Vec<PathBuf>> {
    let mut files = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let mut folders = vec![root().join("docs"), root().join("harness")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() && !["tests", "target", "fuzz"].contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(".md") || name.ends_with(".rs") && name != "tests.rs" {
                files.push(path);
            }
        }
    }
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

/// Each line that users see, with its number: all of a page; of a source the string literals before its tests.
fn lines_for_users(name: &str, text: &str) -> Vec<(usize, String)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    if name.ends_with(".md") {
        return numbered.map(|(number, line)| (number, line.to_owned())).collect();
    }
    let own = numbered.take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    own.filter_map(|(number, line)| Some((number, literals(line)?))).collect()
}

/// What a line of source has in quotes; none where it has nothing, or is a comment.
fn literals(line: &str) -> Option<String> {
    if line.trim_start().starts_with("//") {
        return None;
    }
    let mut found = String::new();
    let (mut inside, mut escaped, mut placeholder) = (false, false, false);
    for character in line.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                inside = !inside;
                found.push(' ');
            }
            '{' if inside => placeholder = true,
            '}' if inside => placeholder = false,
            _ if inside && !placeholder => found.push(character),
            _ => {}
        }
    }
    // A literal over several lines has lines without quotes that begin with text.
    let is_text = !line.contains(['"', ';', '{', '(', '=']) && line.split_whitespace().count() > 4;
    if is_text { Some(line.to_owned()) } else { Some(found).filter(|found| !found.trim().is_empty()) }
}

fn check_line(terms: &[Term], place: &str, line: &str) -> Vec<String> {
    let line = line.to_lowercase();
    let found = terms.iter().filter(|term| has_term(&line, &term.term.to_lowercase()));
    found.map(|term| format!("{place}: `{}`; use: {}", term.term, term.instead)).collect()
}

/// Whether a line has a term as whole words.
fn has_term(line: &str, term: &str) -> bool {
    let is_word = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(term).any(|(start, found)| {
        !is_word(line[..start].chars().next_back()) && !is_word(line[start + found.len()..].chars().next())
    })
}

#[test]
fn a_term_is_whole_words() {
    assert!(has_term("the bed broke", "the bed") && has_term("a twin.", "twin"));
    assert!(!has_term("the bedrock", "the bed") && !has_term("serviceaccount", "account"));
    assert_eq!(literals(r#"let a = "the bed"; // a twin"#).unwrap().trim(), "the bed");
    assert_eq!(literals(r#"format!("{bed} broke")"#).unwrap().trim(), "broke");
    assert_eq!(literals("// the bed"), None);
}
