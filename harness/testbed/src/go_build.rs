//! The build information of a Go program: its module and release, read from the file. Nothing is started.
//!
//! The linker writes it at an address that is a multiple of 16: a magic text, two bytes of format, and from byte 32 on two
//! strings, each after its length as a varint: Go's release, and the modules as lines (`debug/buildinfo`, Go 1.18 and later).

use plumbline_core::release::Release;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The magic text is at a multiple of it.
const ALIGNMENT: usize = 16;
/// Where the strings begin.
const HEADER: usize = 32;
/// The flag of the strings' form; before Go 1.18 there were pointers.
const STRINGS_FOLLOW: u8 = 2;
/// The lines of modules stand between two marks of this length.
const MARK: usize = 16;
/// Most bytes of the strings: a program with a thousand modules has a tenth of it.
const MAX_STRINGS: u64 = 1 << 20;
/// Most bytes of a program.
const MAX_PROGRAM: u64 = 512 << 20;
/// How much is searched at a time; a multiple of [`ALIGNMENT`].
const CHUNK: usize = 256 << 10;
/// The variable that releases of containernetworking/plugins are linked with.
const BUILD_VERSION: &str = "buildversion.BuildVersion=";

/// What a Go program says of its build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoBuild {
    /// The package of the program, such as `github.com/containernetworking/plugins/plugins/main/macvlan`.
    pub package: String,
    /// The release of the package's module; none where the build does not say it, as in a build of a working copy.
    pub release: Option<Release>,
}

/// Reads it; none if the file is no Go program, or an old one.
///
/// # Errors
/// When the file can't be read, or is no regular file.
pub fn read_go_build(path: &Path) -> io::Result<Option<GoBuild>> {
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut begin = 0;
    while let Some(found) = find_magic(&mut file, begin)? {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(found))?;
        (&file).take(MAX_STRINGS).read_to_end(&mut bytes)?;
        if let Some(build) = read_modules(&bytes).and_then(read_build) {
            return Ok(Some(build));
        }
        begin = found + ALIGNMENT as u64;
    }
    Ok(None)
}

/// The place of the next magic text.
fn find_magic(file: &mut File, begin: u64) -> io::Result<Option<u64>> {
    let mut at = begin;
    let mut chunk = Vec::with_capacity(CHUNK);
    file.seek(SeekFrom::Start(begin))?;
    while at < MAX_PROGRAM {
        chunk.clear();
        let read = file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)?;
        if let Some(index) = chunk.chunks(ALIGNMENT).position(|part| part.starts_with(MAGIC)) {
            return Ok(Some(at + (index * ALIGNMENT) as u64));
        }
        if read < CHUNK {
            break;
        }
        at += read as u64;
    }
    Ok(None)
}

/// The lines of modules, from bytes that begin with the magic text.
fn read_modules(bytes: &[u8]) -> Option<&str> {
    if bytes.get(MAGIC.len() + 1)? & STRINGS_FOLLOW == 0 {
        return None;
    }
    let (_go, rest) = read_string(bytes.get(HEADER..)?)?;
    let (modules, _) = read_string(rest)?;
    let end = modules.len().checked_sub(MARK)?;
    std::str::from_utf8(modules.get(MARK..end)?).ok()
}

/// A string after its length.
fn read_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length: usize = 0;
    // Four bytes hold every length below MAX_STRINGS.
    for (index, byte) in bytes.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

fn read_build(modules: &str) -> Option<GoBuild> {
    let fields = || modules.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let package = fields().find_map(|line| match line[..] {
        ["path", package] => Some(package.to_owned()),
        _ => None,
    })?;
    let is_of_package =
        |module: &str| package.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let of_module = fields().find_map(|line| match line[..] {
        ["mod" | "dep", module, version, ..] if is_of_package(module) => read_release(version),
        _ => None,
    });
    let of_linker = || {
        let (_, settings) = modules.lines().find_map(|line| line.strip_prefix("build\t")?.split_once(BUILD_VERSION))?;
        read_release(settings.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).next()?)
    };
    let release = of_module.or_else(of_linker);
    Some(GoBuild { package, release })
}

/// A release; none of `(devel)`, and of the version of a commit, which Go writes with a date.
fn read_release(version: &str) -> Option<Release> {
    let is_of_commit =
        version.split(['-', '.', '+']).any(|part| part.len() == 14 && part.bytes().all(|b| b.is_ascii_digit()));
    version.starts_with('v').then_some(version).filter(|_| !is_of_commit)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &[u8]) -> Vec<u8> {
        let mut length = text.len();
        let mut bytes = Vec::new();
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        [bytes, text.to_vec()].concat()
    }

    /// A program with these lines of modules at `offset`.
    fn program(offset: usize, lines: &str) -> tempfile::NamedTempFile {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[8, STRINGS_FOLLOW]);
        bytes.resize(offset + HEADER, 0);
        bytes.extend(string(b"go1.26.1"));
        bytes.extend(string(&[&[1; MARK][..], lines.as_bytes(), &[2; MARK]].concat()));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn release(lines: &str) -> Option<String> {
        let file = program(CHUNK + 64, lines);
        read_go_build(file.path()).unwrap().unwrap().release.map(|release| release.to_string())
    }

    const PATH: &str = "path\tgithub.com/containernetworking/plugins/plugins/main/macvlan\n";
    const MODULE: &str = "github.com/containernetworking/plugins";

    #[test]
    fn the_release_is_that_of_the_module_of_the_program() {
        assert_eq!(release(&format!("{PATH}mod\t{MODULE}\tv1.4.0\th1:x=\n")).as_deref(), Some("1.4.0"));
        let other = format!("{PATH}mod\texample.org/build\tv9.0.0\t\ndep\t{MODULE}\tv1.4.1\th1:x=\n");
        assert_eq!(release(&other).as_deref(), Some("1.4.1"));
        let linked = format!(
            "{PATH}mod\t{MODULE}\t(devel)\t\nbuild\t-ldflags=\"-extldflags -static -X {MODULE}/pkg/utils/buildversion.BuildVersion=v1.6.2\"\n"
        );
        assert_eq!(release(&linked).as_deref(), Some("1.6.2"));
    }

    #[test]
    fn a_build_of_a_commit_states_no_release() {
        for version in
            ["(devel)", "v0.0.0-20240607101530-abcdef012345", "v1.4.1-0.20240607101530-abcdef012345", "1.4.0"]
        {
            assert_eq!(release(&format!("{PATH}mod\t{MODULE}\t{version}\t\n")), None, "{version}");
        }
        assert_eq!(release(&format!("{PATH}mod\t{MODULE}-fork\tv1.4.0\t\n")), None, "another module");
    }

    #[test]
    fn what_is_no_go_program_has_no_build_information() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            read_go_build(file.path()).unwrap()
        };
        assert_eq!(with(b""), None);
        assert_eq!(with(MAGIC), None);
        assert_eq!(with(&[MAGIC, &[8, 0], &[0; 64]].concat()), None, "pointers");
        assert_eq!(with(&[MAGIC, &[8, 2], &[0; 16], &[0xff; 64]].concat()), None, "a length without end");
        assert_eq!(with(&[&[0; 8], MAGIC, &[8, 2], &[0; 64]].concat()), None, "not aligned");
        assert!(read_go_build(Path::new("/dev/null")).is_err());
        assert!(read_go_build(Path::new("/nowhere")).is_err());
    }
}
