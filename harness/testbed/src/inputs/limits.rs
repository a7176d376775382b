//! Bounds of what is read, and what is left of them.

use std::io::{self, Read};

/// Most bytes of one text. `kubectl get -o yaml` of 2,000 networks gives about 2 MiB.
pub const MAX_TEXT: u64 = 8 << 20;
/// Most bytes of all texts of one command.
pub const MAX_TEXTS_SIZE: u64 = 64 << 20;
/// Most texts of one command.
pub const MAX_TEXTS: usize = 20_000;
/// Most entries of folders and members of archives that are looked at, those of other kinds counted too.
pub const MAX_ENTRIES: usize = 100_000;
/// Deepest folder that is looked at, counted from the one that the user names.
pub const MAX_DEPTH: usize = 32;
/// Most bytes that are read or unpacked of archives, members that are left out counted too.
pub const MAX_UNPACKED: u64 = 256 << 20;

/// A bound was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitReached {
    /// [`MAX_TEXT`].
    #[error("larger than {MAX_TEXT} bytes")]
    Text,
    /// [`MAX_TEXTS_SIZE`].
    #[error("more than {MAX_TEXTS_SIZE} bytes in all files; fix: name fewer")]
    TextsSize,
    /// [`MAX_TEXTS`].
    #[error("more than {MAX_TEXTS} files; fix: name fewer")]
    Texts,
    /// [`MAX_ENTRIES`].
    #[error("more than {MAX_ENTRIES} entries in folders and archives; fix: name a smaller folder")]
    Entries,
    /// [`MAX_DEPTH`].
    #[error("folders are nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// [`MAX_UNPACKED`].
    #[error("more than {MAX_UNPACKED} bytes when unpacked")]
    Unpacked,
}

impl LimitReached {
    /// Whether nothing more can be read, of whatever file.
    pub(super) fn ends_reading(self) -> bool {
        matches!(self, Self::TextsSize | Self::Texts | Self::Entries | Self::Unpacked)
    }
}

/// What one command may still read.
#[derive(Debug)]
pub struct Budget {
    texts: usize,
    size: u64,
    entries: usize,
    unpacked: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { texts: MAX_TEXTS, size: MAX_TEXTS_SIZE, entries: MAX_ENTRIES, unpacked: MAX_UNPACKED }
    }
}

impl Budget {
    /// Takes an entry of a folder, or a member of an archive.
    ///
    /// # Errors
    /// [`LimitReached::Entries`].
    pub fn take_entry(&mut self) -> Result<(), LimitReached> {
        self.entries = self.entries.checked_sub(1).ok_or(LimitReached::Entries)?;
        Ok(())
    }

    /// Reads one text.
    ///
    /// # Errors
    /// Reading fails, or the text or all texts are too large. A [`LimitReached`] is the source of the error then.
    pub fn take_text(&mut self, reader: impl Read) -> io::Result<Vec<u8>> {
        self.texts = self.texts.checked_sub(1).ok_or(LimitReached::Texts).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        reader.take(MAX_TEXT.min(self.size) + 1).read_to_end(&mut bytes)?;
        let size = bytes.len() as u64;
        if size > MAX_TEXT {
            return Err(io::Error::other(LimitReached::Text));
        }
        self.size = self.size.checked_sub(size).ok_or(LimitReached::TextsSize).map_err(io::Error::other)?;
        Ok(bytes)
    }

    /// The bytes that may still be unpacked.
    pub(super) fn unpacked(&mut self) -> &mut u64 {
        &mut self.unpacked
    }
}

/// A reader that fails when the budget of unpacked bytes is used up.
pub(super) struct Counted<'b, R> {
    inner: R,
    left: &'b mut u64,
}

impl<'b, R: Read> Counted<'b, R> {
    /// Counts what is read of `inner`.
    pub(super) fn new(inner: R, left: &'b mut u64) -> Self {
        Self { inner, left }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        *self.left = self.left.checked_sub(length as u64).ok_or(LimitReached::Unpacked).map_err(io::Error::other)?;
        Ok(length)
    }
}

/// The bound that an error is about.
pub(super) fn limit_of(error: &io::Error) -> Option<LimitReached> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(error) = source {
        if let Some(limit) = error.downcast_ref() {
            return Some(*limit);
        }
        source = match error.downcast_ref::<io::Error>() {
            Some(inner) => inner.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    None
}
