//! Texts for users, comments and names of functions keep to the glossary: they have no banned term.

use anyhow::Context as _;
use plumbline_suites::command::run;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Banned {
    terms: Vec<Term>,
    source_terms: Vec<Term>,
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

fn read_banned() -> anyhow::Result<Banned> {
    Ok(serde_yaml::from_str(&std::fs::read_to_string(root().join("suites/banned-terms.yaml"))?)?)
}

#[test]
fn texts_for_users_have_no_banned_terms() -> anyhow::Result<()> {
    let banned = read_banned()?;
    let mut files = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    list_files(&root().join("docs"), &mut files)?;
    list_files(&root().join("harness"), &mut files)?;
    files.retain(|path| {
        let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
        let is_source = name.ends_with(".rs") && !name.contains("/tests/") && !name.ends_with("/tests.rs");
        is_source || name.ends_with(".md")
    });
    let mut problems = Vec::new();
    for path in files {
        let name = path.strip_prefix(root())?.display().to_string();
        let text = std::fs::read_to_string(&path).with_context(|| name.clone())?;
        for (line, text) in lines_for_users(&name, &text) {
            problems.extend(check_line(&banned.terms, &format!("{name}:{line}"), &text));
        }
    }
    anyhow::ensure!(problems.is_empty(), "{}\n{} in all", problems.join("\n"), problems.len());
    Ok(())
}

#[test]
fn comments_and_names_of_functions_have_no_banned_terms() -> anyhow::Result<()> {
    let banned = read_banned()?;
    let mut files = Vec::new();
    for folder in ["harness", "suites", "bench", "fuzz", "images", "clusters", ".ci", ".config", ".github"] {
        list_files(&root().join(folder), &mut files)?;
    }
    let mut problems = Vec::new();
    let mut unused: Vec<&String> = banned.exempted.iter().collect();
    for path in files {
        let name = path.strip_prefix(root())?.display().to_string();
        // Text of other projects, for parsers.
        if name.starts_with("fuzz/seeds/") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let mut found = Vec::new();
        for (line, text) in source_lines(&name, &text) {
            let place = format!("{name}:{line}");
            found.extend(check_line(&banned.terms, &place, &text));
            found.extend(check_line(&banned.source_terms, &place, &text));
        }
        match banned.exempted.iter().find(|exempted| path.starts_with(root().join(exempted))) {
            Some(exempted) => unused.retain(|other| *other != exempted || found.is_empty()),
            None => problems.extend(found),
        }
    }
    problems.extend(unused.iter().map(|name| format!("{name}: exempted without a banned term in it")));
    anyhow::ensure!(problems.is_empty(), "{}\n{} in all", problems.join("\n"), problems.len());
    Ok(())
}

#[tokio::test]
async fn the_help_of_every_command_has_no_banned_terms() -> anyhow::Result<()> {
    let banned = read_banned()?;
    let mut open: Vec<Vec<String>> = vec![vec![]];
    let (mut problems, mut seen) = (Vec::new(), 0);
    while let Some(command) = open.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = run(&arguments).await?.stdout;
        seen += 1;
        let label = format!("plumbline {}", arguments.join(" "));
        if !help.contains("Examples:") {
            problems.push(format!("{label}: no examples"));
        }
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

/// Adds all files below a folder, in the order of their paths, without build products.
fn list_files(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    paths.sort();
    for path in paths {
        if !path.is_dir() {
            files.push(path);
        } else if !path.is_symlink() && path.file_name().is_some_and(|name| name != "target") {
            list_files(&path, files)?;
        }
    }
    Ok(())
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

/// The comments and names of functions of a source, with the numbers of their lines. None of a file of another kind.
fn source_lines(name: &str, text: &str) -> Vec<(usize, String)> {
    let is_shell = name.ends_with(".sh") || text.starts_with("#!/bin/") || text.starts_with("#!/usr/bin/env");
    let read: fn(&str) -> Option<String> = match name.rsplit_once('.') {
        Some((_, "rs")) => rust_words,
        Some((_, "yaml" | "yml")) => hash_comment,
        _ if is_shell => hash_comment,
        _ => return Vec::new(),
    };
    let numbered = text.lines().enumerate();
    numbered.filter_map(|(index, line)| Some((index + 1, read(line)?))).collect()
}

/// The comment of a line of Rust without code in backticks, or the name of its function with spaces for `_`.
fn rust_words(line: &str) -> Option<String> {
    if let Some(comment) = rust_comment(line) {
        return Some(without_code(comment));
    }
    let (before, name) = line.split_once("fn ")?;
    let is_definition = before.is_empty() || before.ends_with(' ');
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    Some(name[..end].replace('_', " ")).filter(|_| is_definition && end > 0)
}

/// The comment of a line of Rust: the part after the first `//` outside of string literals.
fn rust_comment(line: &str) -> Option<&str> {
    let (mut inside, mut escaped) = (false, false);
    for (at, character) in line.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => inside = !inside,
            '/' if !inside && line[at..].starts_with("//") => return Some(&line[at + 2..]),
            _ => {}
        }
    }
    None
}

/// The comment of a line of YAML or shell.
fn hash_comment(line: &str) -> Option<String> {
    let comment = line.trim_start().strip_prefix('#').or_else(|| Some(line.split_once(" # ")?.1))?;
    Some(without_code(comment))
}

/// A text without its parts in backticks.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join(" ` ")
}

/// The string literals of a line of source. None if it has none or is a comment.
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

#[test]
fn sources_are_checked_in_comments_and_names_of_functions() {
    let words = |name: &str, text: &str| -> Vec<String> {
        source_lines(name, text).into_iter().map(|(_, text)| text.trim().to_owned()).collect()
    };
    assert_eq!(words("a.rs", "/// The bed.\nlet a = \"a // b\"; // a twin\nlet twin = 1;"), ["/ The bed.", "a twin"]);
    assert_eq!(words("a.rs", "pub async fn read_the_file(a: u8) {\nlet a: fn(u8) = b;"), ["read the file"]);
    assert_eq!(words("a.rs", "// the user `nobody` of setpriv"), ["the user  `  of setpriv"]);
    assert_eq!(words("a.yaml", "# one\na: 'b#c' # two\nb: c"), ["one", "two"]);
    assert_eq!(words("run", "#!/bin/sh\necho a # one"), ["!/bin/sh", "one"]);
    assert!(words("a.md", "# one").is_empty());
}
