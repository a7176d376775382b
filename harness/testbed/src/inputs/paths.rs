//! Files, folders and standard input.

use super::archive::{ArchiveKind, ArchiveTexts, read_archive};
use super::limits::{Budget, LimitReached, MAX_DEPTH, MAX_TEXT, limit_of};
use super::text::{InputProblem, InputText};
use nix::fcntl::OFlag;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The path that stands for standard input.
pub const STDIN: &str = "-";
/// Its name in reports.
const STDIN_NAME: &str = "stdin";

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Each file once, in the order in which the user named them; those of a folder by path.
    pub texts: Vec<InputText>,
    /// Number of files in folders and archives that were left out: other names, hidden, links to folders, devices.
    pub skipped: usize,
    /// What can't be read.
    pub problems: Vec<InputProblem>,
}

/// Reads what a user names: [`STDIN`], files of any name, archives by their names, and folders, of which the files that end
/// in one of `endings` (`.yaml`) are read. Hidden files and folders are left out unless the user names them.
pub fn read(paths: &[PathBuf], endings: &[&str], stdin: impl Read) -> Inputs {
    let mut reader =
        PathReader { endings, budget: Budget::default(), seen: BTreeSet::new(), inputs: Inputs::default() };
    let mut stdin = Some(stdin);
    for path in paths {
        let result = match stdin.take_if(|_| path == Path::new(STDIN)) {
            Some(stdin) => reader.add_text(STDIN_NAME, stdin, true),
            None if path == Path::new(STDIN) => Ok(()),
            None => reader.read_named(path),
        };
        if result.is_err() {
            break;
        }
    }
    reader.inputs
}

/// Nothing more can be read.
struct Stop;

struct PathReader<'a> {
    endings: &'a [&'a str],
    budget: Budget,
    /// Device and inode of each file that was read, since folders and links can name it again.
    seen: BTreeSet<(u64, u64)>,
    inputs: Inputs,
}

impl PathReader<'_> {
    fn read_named(&mut self, path: &Path) -> Result<(), Stop> {
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => self.read_folder(path, 0),
            Ok(meta) => self.read_file(path, &meta, ArchiveKind::of_name(&path.to_string_lossy()), true),
            Err(error) => self.refuse(path, &error),
        }
    }

    fn read_folder(&mut self, folder: &Path, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return self.refuse(folder, &io::Error::other(LimitReached::Depth));
        }
        let mut names = match self.list(folder) {
            Ok(names) => names,
            Err(error) => return self.refuse(folder, &error),
        };
        names.sort();
        for name in names {
            let path = match folder == Path::new(".") {
                true => PathBuf::from(&name),
                false => folder.join(&name),
            };
            self.read_entry(&path, &name.to_string_lossy(), depth)?;
        }
        Ok(())
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            self.budget.take_entry().map_err(io::Error::other)?;
            names.push(entry?.file_name());
        }
        Ok(names)
    }

    /// Reads an entry of a folder. A link to a file is followed, as in a mounted ConfigMap; one to a folder could lead in a
    /// circle.
    fn read_entry(&mut self, path: &Path, name: &str, depth: usize) -> Result<(), Stop> {
        let is_hidden = name.starts_with('.');
        let is_folder = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
        if is_folder && !is_hidden {
            return self.read_folder(path, depth + 1);
        }
        if is_folder || is_hidden || !has_ending(name, self.endings) {
            self.inputs.skipped += usize::from(!is_folder);
            return Ok(());
        }
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_file() => self.read_file(path, &meta, None, false),
            _ => {
                self.inputs.skipped += 1;
                Ok(())
            }
        }
    }

    fn read_file(
        &mut self,
        path: &Path,
        meta: &Metadata,
        archive: Option<ArchiveKind>,
        is_named: bool,
    ) -> Result<(), Stop> {
        let Some(name) = path.to_str() else {
            return self.refuse(path, &io::Error::other("the path is not UTF-8"));
        };
        if !meta.is_file() {
            let message = "not a regular file; fix: `-` reads standard input";
            return self.refuse(path, &io::Error::other(message));
        }
        if !self.seen.insert((meta.dev(), meta.ino())) {
            return Ok(());
        }
        if archive.is_none() && meta.len() > MAX_TEXT {
            return self.refuse(path, &io::Error::other(LimitReached::Text));
        }
        // It can have become a pipe by now, whose opening would wait for a writer.
        let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        match (file, archive) {
            (Ok(file), None) => self.add_text(name, file, is_named),
            (Ok(file), Some(kind)) => self.add_archive(name, kind, file),
            (Err(error), _) => self.refuse(path, &error),
        }
    }

    fn add_text(&mut self, name: &str, reader: impl Read, is_named: bool) -> Result<(), Stop> {
        match self.budget.take_text(reader) {
            Ok(bytes) => {
                match InputText::decode(name.to_owned(), bytes) {
                    Ok(text) => self.inputs.texts.push(InputText { is_named, ..text }),
                    Err(problem) => self.inputs.problems.push(problem),
                }
                Ok(())
            }
            Err(error) => self.refuse(Path::new(name), &error),
        }
    }

    fn add_archive(&mut self, name: &str, kind: ArchiveKind, file: File) -> Result<(), Stop> {
        let endings = self.endings;
        let is_wanted = |path: &str| {
            let mut parts = path.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
            !parts.any(|part| part.starts_with('.')) && has_ending(path, endings)
        };
        match read_archive(kind, name, io::BufReader::new(file), &is_wanted, &mut self.budget) {
            Ok(ArchiveTexts { texts, skipped, problems }) => {
                self.inputs.texts.extend(texts);
                self.inputs.problems.extend(problems);
                self.inputs.skipped += skipped;
                Ok(())
            }
            Err(error) => self.refuse(Path::new(name), &error),
        }
    }

    fn refuse(&mut self, path: &Path, error: &io::Error) -> Result<(), Stop> {
        self.inputs.problems.push(InputProblem::io(path.to_string_lossy(), error));
        match limit_of(error) {
            Some(limit) if limit.ends_reading() => Err(Stop),
            _ => Ok(()),
        }
    }
}

/// Whether a name ends in one of these; letter case does not matter, and the ending alone is no name.
fn has_ending(name: &str, endings: &[&str]) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    endings.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
}

#[cfg(test)]
mod tests;
