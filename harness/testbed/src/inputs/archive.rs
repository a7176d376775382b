//! Texts in tar archives, with and without gzip, and in zip archives.
//!
//! Members are read in memory, one after another, and never extracted, so that their paths, links and modes have no effect.
//! Archives within an archive are left out.

use super::limits::{Budget, Counted, LimitReached, limit_of};
use super::text::{InputProblem, InputText};
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use rawzip::CompressionMethod;
use std::io::{self, Read, Seek};

/// Longest path of a member.
const MAX_NAME: u64 = 4096;
/// Most bytes of the extended header (pax) of a member.
const MAX_PAX: u64 = 64 * 1024;

/// The kind of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// `.tar`
    Tar,
    /// `.tar.gz`, `.tgz`
    TarGz,
    /// `.zip`
    Zip,
}

impl ArchiveKind {
    /// The kind by the end of a file's name; letter case does not matter.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        match () {
            () if ends(&[".tar"]) => Some(Self::Tar),
            () if ends(&[".tar.gz", ".tgz"]) => Some(Self::TarGz),
            () if ends(&[".zip"]) => Some(Self::Zip),
            () => None,
        }
    }
}

/// What an archive holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ArchiveTexts {
    /// The texts of wanted members, in the archive's order; each has the archive's name before its own.
    pub texts: Vec<InputText>,
    /// Number of files that are not wanted: other names, links, devices.
    pub skipped: usize,
    /// Wanted members that can't be read.
    pub problems: Vec<InputProblem>,
}

/// Reads the texts of an archive whose paths `is_wanted` accepts.
///
/// # Errors
/// The archive is damaged, or a bound was reached.
pub fn read_archive(
    kind: ArchiveKind,
    name: &str,
    source: impl Read + Seek,
    is_wanted: &dyn Fn(&str) -> bool,
    budget: &mut Budget,
) -> io::Result<ArchiveTexts> {
    let mut found = Members { archive: name, is_wanted, budget, texts: ArchiveTexts::default() };
    match kind {
        ArchiveKind::Tar => found.read_tar(source)?,
        ArchiveKind::TarGz => found.read_tar(MultiGzDecoder::new(source))?,
        ArchiveKind::Zip => found.read_zip(source)?,
    }
    Ok(found.texts)
}

struct Members<'a> {
    archive: &'a str,
    is_wanted: &'a dyn Fn(&str) -> bool,
    budget: &'a mut Budget,
    texts: ArchiveTexts,
}

impl Members<'_> {
    /// Headers are read raw: the tar library itself would read a path of any length into memory.
    fn read_tar(&mut self, source: impl Read) -> io::Result<()> {
        let mut left = *self.budget.unpacked();
        let result = self.read_tar_members(Counted::new(source, &mut left));
        *self.budget.unpacked() = left;
        result
    }

    fn read_tar_members(&mut self, source: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(source);
        let mut long_name = None;
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            self.budget.take_entry().map_err(io::Error::other)?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_longname() {
                let name = read_at_most(&mut entry, MAX_NAME)?;
                long_name = Some(name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec());
            } else if kind.is_pax_local_extensions() {
                let pax = read_at_most(&mut entry, MAX_PAX)?;
                let path = tar::PaxExtensions::new(&pax).flatten().find(|record| record.key_bytes() == b"path");
                long_name = path.map(|record| record.value_bytes().to_vec()).or(long_name);
            } else if !kind.is_gnu_longlink() && !kind.is_pax_global_extensions() {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let is_file = kind.is_file() || kind.is_contiguous();
                match self.member(&name, is_file, kind.is_dir()) {
                    Some(name) => self.add(name, &mut entry)?,
                    None => continue,
                }
            }
        }
        Ok(())
    }

    fn read_zip(&mut self, source: impl Read + Seek) -> io::Result<()> {
        let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
        let archive = rawzip::ZipArchive::from_seekable(source, &mut buffer).map_err(io::Error::other)?;
        let mut entries = archive.entries(&mut buffer);
        while let Some(record) = entries.next_entry().map_err(io::Error::other)? {
            self.budget.take_entry().map_err(io::Error::other)?;
            let (is_dir, is_link) = (record.is_dir(), record.mode().is_symlink());
            let Some(name) = self.member(record.file_path().as_bytes(), !is_link, is_dir) else { continue };
            if record.flags().is_encrypted() {
                self.texts.problems.push(InputProblem::new(name, "encrypted"));
                continue;
            }
            let method = record.compression_method();
            let member = archive.get_entry(record.wayfinder()).map_err(io::Error::other)?;
            match method {
                CompressionMethod::STORE => self.add_counted(name, member.verifying_reader(member.reader()))?,
                CompressionMethod::DEFLATE => {
                    self.add_counted(name, member.verifying_reader(DeflateDecoder::new(member.reader())))?;
                }
                other => {
                    let message = format!("compressed with {other}; expected stored or deflated");
                    self.texts.problems.push(InputProblem::new(name, message));
                }
            }
        }
        Ok(())
    }

    /// The name of a wanted file in reports; none of others, which are counted if they are no folders.
    fn member(&mut self, path: &[u8], is_file: bool, is_dir: bool) -> Option<String> {
        if is_dir {
            return None;
        }
        let path = String::from_utf8_lossy(path);
        let path = path.trim_start_matches("./");
        if is_file && (self.is_wanted)(path) {
            return Some(format!("{}/{}", self.archive, path.trim_start_matches('/')));
        }
        self.texts.skipped += 1;
        None
    }

    /// As [`add`](Self::add), of a member that is unpacked by itself.
    fn add_counted(&mut self, name: String, reader: impl Read) -> io::Result<()> {
        let mut left = *self.budget.unpacked();
        let result = self.add(name, Counted::new(reader, &mut left));
        *self.budget.unpacked() = left;
        result
    }

    /// Adds the text of a member. That one is too large, or is no text, is a problem of that member alone.
    fn add(&mut self, name: String, reader: impl Read) -> io::Result<()> {
        match self.budget.take_text(reader) {
            Ok(bytes) => match InputText::decode(name, bytes) {
                Ok(text) => self.texts.texts.push(text),
                Err(problem) => self.texts.problems.push(problem),
            },
            Err(error) if limit_of(&error) == Some(LimitReached::Text) => {
                self.texts.problems.push(InputProblem::io(name, &error));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn read_at_most(reader: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("the header of a member is larger than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
