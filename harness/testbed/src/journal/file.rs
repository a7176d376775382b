//! The file of a journal: its path, and writing and parsing its lines.

use super::effect::{Effect, EffectId, Line};
use crate::error::{AtStage, TestbedError};
use crate::folders;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The folder of all runs.
pub(super) fn runs_folder() -> Result<PathBuf, TestbedError> {
    Ok(folders::state()?.join("runs"))
}

/// The journal of a run's folder.
pub(super) fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

/// Writes a line and syncs it.
pub(super) fn append_line(file: &mut File, line: &Line) -> Result<(), TestbedError> {
    let stage = "write journal";
    let mut text = serde_json::to_string(line).at_stage(stage)?;
    text.push('\n');
    file.write_all(text.as_bytes()).at_stage(stage)?;
    file.sync_data().at_stage(stage)
}

/// Crosses out an intent in a journal that another process wrote. A failure is harmless: the effect is undone once more.
pub(super) fn cross_out(file: &mut File, id: EffectId) {
    // On a separate line, even after an incomplete one.
    let _ = file.write_all(b"\n");
    let _ = append_line(file, &Line::Done { id: id.0 });
}

/// The content of a journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JournalContent {
    /// The intents that are not crossed out.
    pub open: Vec<(EffectId, Effect)>,
    /// The numbers of the lines that a crash cut short, from 1. Their effects were not made: the lines were not synced.
    pub cut: Vec<usize>,
    /// The lines that can't be read, by number, each with the reason: damage, or a newer version's journal.
    pub damaged: Vec<(usize, String)>,
}

/// Reads a journal to its end.
pub(super) fn read_journal(file: &File) -> std::io::Result<JournalContent> {
    let mut bytes = Vec::new();
    (&*file).read_to_end(&mut bytes)?;
    Ok(parse_journal(&bytes))
}

fn parse_journal(bytes: &[u8]) -> JournalContent {
    let (mut open, mut content) = (BTreeMap::new(), JournalContent::default());
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(Line::Begin { .. }) => {}
            Ok(Line::Intent { id, effect }) => drop(open.insert(EffectId(id), effect)),
            Ok(Line::Done { id }) => drop(open.remove(&EffectId(id))),
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(error) if error.is_eof() => content.cut.push(index + 1),
            Err(error) => content.damaged.push((index + 1, error.to_string())),
        }
    }
    content.open = open.into_iter().collect();
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn intent(id: u64) -> (Line, Effect) {
        let effect = Effect::Container { name: format!("c{id}") };
        (Line::Intent { id, effect: effect.clone() }, effect)
    }

    fn text(line: &Line) -> Vec<u8> {
        serde_json::to_vec(line).unwrap()
    }

    /// A line that is no line of a journal: bytes, or JSON of another form.
    fn bad_line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            Just(br#"{"intent":{"id":1,"effect":{"kind":"star"}}}"#.to_vec()),
            Just(br#"{"done":{"id":-1}}"#.to_vec()),
            Just(vec![b'['; 5000]),
        ]
        .prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != b'\n').collect())
    }

    proptest! {
        #[test]
        fn the_reader_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            parse_journal(&bytes);
        }

        #[test]
        fn a_bad_line_is_reported_and_hides_no_other_line(lines in prop::collection::vec(prop::option::of(bad_line()), 0..20)) {
            let (mut bytes, mut open, mut bad) = (Vec::new(), Vec::new(), Vec::new());
            for (index, line) in lines.into_iter().enumerate() {
                let id = index as u64 + 1;
                match line {
                    Some(line) => {
                        if !line.trim_ascii().is_empty() {
                            bad.push(index + 1);
                        }
                        bytes.extend(line);
                    }
                    None => {
                        let (line, effect) = intent(id);
                        open.push((EffectId(id), effect));
                        bytes.extend(text(&line));
                    }
                }
                bytes.push(b'\n');
            }
            let content = parse_journal(&bytes);
            prop_assert_eq!(content.open, open);
            let mut named: Vec<usize> = content.damaged.into_iter().map(|(line, _)| line).chain(content.cut).collect();
            named.sort_unstable();
            prop_assert_eq!(named, bad);
        }

        #[test]
        fn an_incomplete_line_has_no_effect(at in 1_usize..40) {
            let ((first, effect), (second, _)) = (intent(1), intent(2));
            let (mut bytes, second) = (text(&first), text(&second));
            bytes.push(b'\n');
            bytes.extend(&second[..at.min(second.len() - 1)]);
            let content = parse_journal(&bytes);
            prop_assert_eq!(content.open, vec![(EffectId(1), effect)]);
            prop_assert_eq!((content.cut, content.damaged), (vec![2], vec![]));
        }
    }
}
