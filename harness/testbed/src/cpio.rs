//! Archives that the kernel unpacks into its initial root: cpio in the format `newc`
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`). A file may contain several archives one after the other.

use std::io::{self, Write};
use std::path::Path;

/// The first bytes of every header.
const MAGIC: &str = "070701";
/// The name that ends an archive.
const END: &str = "TRAILER!!!";
const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_000;

/// Writes one archive, entry by entry.
pub struct Writer<W> {
    out: W,
    /// The number of the last entry. The kernel treats entries with equal numbers as hard links.
    entries: u32,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { out, entries: 0, written: 0 }
    }

    /// A folder, by its path without a slash in front. Its parent must have been written.
    ///
    /// # Errors
    /// A failed write.
    pub fn folder(&mut self, path: &str) -> io::Result<()> {
        self.entry(path, FOLDER, &[])
    }

    /// A file, by its path without a slash in front, with its mode.
    ///
    /// # Errors
    /// A failed write, or content larger than the format's 32 bits.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entry(path, FILE | mode, content)
    }

    /// As [`Writer::file`], with the content of a file of this host.
    ///
    /// # Errors
    /// A failed read or write.
    pub fn copy(&mut self, path: &str, mode: u32, from: &Path) -> io::Result<()> {
        let content = std::fs::read(from)?;
        self.file(path, mode, &content)
    }

    /// Ends the archive and returns the underlying writer.
    ///
    /// # Errors
    /// A failed write.
    pub fn finish(mut self) -> io::Result<W> {
        self.entries = 0;
        self.entry(END, 0, &[])?;
        // The next archive must begin at a multiple of four; most tools pad to a block.
        self.pad(512)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let size = u32::try_from(content.len())
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, format!("{path} is too large")))?;
        let name = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        // inode, mode, user, group, links, time, size, device and rdevice by halves, length of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
        let header: String = fields.iter().map(|field| format!("{field:08X}")).collect();
        self.put(MAGIC.as_bytes())?;
        self.put(header.as_bytes())?;
        self.put(path.as_bytes())?;
        self.put(&[0])?;
        self.pad(4)?;
        self.put(content)?;
        self.pad(4)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad(&mut self, to: u64) -> io::Result<()> {
        let lacking = self.written.next_multiple_of(to) - self.written;
        self.put(&vec![0; usize::try_from(lacking).unwrap_or_default()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_begins_at_the_offset_that_the_kernel_expects() {
        let mut writer = Writer::new(Vec::new());
        writer.folder("early").unwrap();
        writer.file("early/a", 0o644, b"abcde").unwrap();
        let bytes = writer.finish().unwrap();
        assert_eq!(bytes.len() % 512, 0);
        let text = String::from_utf8(bytes).unwrap();
        let places: Vec<usize> = text.match_indices(MAGIC).map(|(at, _)| at).collect();
        assert_eq!(places.len(), 3, "a folder, a file, the end");
        assert!(places.iter().all(|at| at % 4 == 0), "{places:?}");
        let file = &text[places[1]..];
        assert_eq!(&file[14..22], "000081A4", "the mode of a file that is 0644");
        assert_eq!(&file[54..62], "00000005", "the size");
        assert_eq!(&file[94..102], "00000008", "the name's length with its end");
        assert_eq!(&file[120..125], "abcde", "behind header and name, at a multiple of four");
    }
}
