use super::*;
use crate::inputs::limits::{MAX_TEXT, MAX_UNPACKED};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::{Cursor, Write as _};

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
    for (path, bytes) in members {
        let (mut entry, config) =
            archive.new_file(*path).compression_method(CompressionMethod::DEFLATE).start().unwrap();
        let mut writer = config.wrap(flate2::write::DeflateEncoder::new(&mut entry, Compression::default()));
        writer.write_all(bytes).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}

fn read(kind: ArchiveKind, bytes: Vec<u8>) -> io::Result<ArchiveTexts> {
    let is_wanted = |path: &str| path.ends_with(".yaml");
    read_archive(kind, "a", Cursor::new(bytes), &is_wanted, &mut Budget::default())
}

fn names(found: &ArchiveTexts) -> Vec<&str> {
    found.texts.iter().map(|text| text.name.as_str()).collect()
}

#[test]
fn the_kind_follows_from_the_name() {
    let kind = ArchiveKind::of_name;
    assert_eq!(kind("a.tar"), Some(ArchiveKind::Tar));
    assert_eq!((kind("a.TGZ"), kind("b/a.tar.gz")), (Some(ArchiveKind::TarGz), Some(ArchiveKind::TarGz)));
    assert_eq!((kind("a.zip"), kind("a.yaml"), kind("tar")), (Some(ArchiveKind::Zip), None, None));
}

#[test]
fn every_kind_gives_the_wanted_members() {
    let long = format!("{}one.yaml", "folder/".repeat(40));
    let members: &[(&str, &[u8])] = &[(&long, b"a: 1\n"), ("read.me", b"no"), ("two.yaml", b"b: 2\n")];
    for (kind, bytes) in [
        (ArchiveKind::Tar, tar_of(members)),
        (ArchiveKind::TarGz, gzip(&tar_of(members))),
        (ArchiveKind::Zip, zip_of(members)),
    ] {
        let found = read(kind, bytes).unwrap();
        assert_eq!(names(&found), [format!("a/{long}").as_str(), "a/two.yaml"], "{kind:?}");
        assert_eq!((found.texts[1].text.as_str(), found.skipped), ("b: 2\n", 1), "{kind:?}");
    }
}

#[test]
fn links_devices_and_folders_are_no_texts() {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name) in [
        (tar::EntryType::Symlink, "link.yaml"),
        (tar::EntryType::Link, "hard.yaml"),
        (tar::EntryType::Fifo, "pipe.yaml"),
        (tar::EntryType::Directory, "folder.yaml/"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_link_name("/etc/passwd").unwrap();
        builder.append_data(&mut header, name, io::empty()).unwrap();
    }
    let found = read(ArchiveKind::Tar, builder.into_inner().unwrap()).unwrap();
    assert_eq!((names(&found), found.skipped), (vec![], 3));
}

#[test]
fn paths_that_leave_the_archive_are_only_names() {
    let mut bytes = tar_of(&[("xx/xx/etc/a.yaml", b"a: 1")]);
    bytes[..5].copy_from_slice(b"../..");
    let sum: u32 = bytes[..148].iter().chain(&bytes[156..512]).map(|byte| u32::from(*byte)).sum::<u32>() + 256;
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(names(&read(ArchiveKind::Tar, bytes).unwrap()), ["a/../../etc/a.yaml"]);
}

#[test]
fn a_bomb_ends_at_the_bound() {
    // One member that is left out, of more bytes than may be unpacked: 1 MiB of zeros, again and again.
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros.bin").unwrap();
    header.set_size(MAX_UNPACKED + 1024);
    header.set_cksum();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..=MAX_UNPACKED >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 4 << 20, "{}", bomb.len());
    let error = read(ArchiveKind::TarGz, bomb).unwrap_err();
    assert_eq!(limit_of(&error), Some(LimitReached::Unpacked), "{error}");
}

#[test]
fn a_bomb_of_many_large_members_ends_at_the_bound() {
    let large = vec![b'#'; usize::try_from(MAX_TEXT).unwrap() + 1];
    let members: Vec<(&str, &[u8])> = vec![("large.yaml", &large); 40];
    let error = read(ArchiveKind::Zip, zip_of(&members)).unwrap_err();
    assert_eq!(limit_of(&error), Some(LimitReached::Unpacked), "{error}");
}

#[test]
fn a_member_that_is_too_large_is_a_problem_of_that_member() {
    let large = vec![b'#'; usize::try_from(MAX_TEXT).unwrap() + 1];
    let members: &[(&str, &[u8])] = &[("large.yaml", &large), ("binary.yaml", b"\xff"), ("good.yaml", b"a: 1")];
    for (kind, bytes) in [(ArchiveKind::TarGz, gzip(&tar_of(members))), (ArchiveKind::Zip, zip_of(members))] {
        let found = read(kind, bytes).unwrap();
        let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, ["a/large.yaml: larger than 8388608 bytes", "a/binary.yaml: not UTF-8"]);
        assert_eq!(names(&found), ["a/good.yaml"]);
    }
}

#[test]
fn too_many_members_end_the_reading() {
    let header = {
        let mut header = tar::Header::new_gnu();
        header.set_path("a.txt").unwrap();
        header.set_size(0);
        header.set_cksum();
        header
    };
    let bytes = header.as_bytes().repeat(crate::inputs::limits::MAX_ENTRIES + 1);
    let error = read(ArchiveKind::Tar, bytes).unwrap_err();
    assert_eq!(limit_of(&error), Some(LimitReached::Entries));
}

#[test]
fn a_path_is_not_read_into_memory_whatever_its_length() {
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(1 << 20, b'a');
    let error = read(ArchiveKind::Tar, bytes).unwrap_err();
    assert!(error.to_string().contains("header of a member"), "{error}");
}

#[test]
fn what_is_no_archive_is_refused() {
    let text = b"apiVersion: v1\nkind: Pod\n".repeat(40);
    for kind in [ArchiveKind::Tar, ArchiveKind::TarGz, ArchiveKind::Zip] {
        assert!(read(kind, text.clone()).is_err(), "{kind:?}");
    }
    let whole = gzip(&tar_of(&[("a.yaml", b"a: 1")]));
    assert!(read(ArchiveKind::TarGz, whole[..whole.len() / 2].to_vec()).is_err());
    let zip = zip_of(&[("a.yaml", b"a: 1")]);
    assert!(read(ArchiveKind::Zip, zip[..zip.len() / 2].to_vec()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Any change of an archive gives texts within the bounds, or an error.
    #[test]
    fn a_damaged_archive_makes_no_panic(kind in 0..3_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12), cut in any::<prop::sample::Index>()) {
        let members: &[(&str, &[u8])] = &[("one.yaml", b"a: 1\n"), ("two.txt", b"b"), ("three.yaml", &[b'c'; 700])];
        let (kind, mut bytes) = match kind {
            0 => (ArchiveKind::Tar, tar_of(members)),
            1 => (ArchiveKind::TarGz, gzip(&tar_of(members))),
            _ => (ArchiveKind::Zip, zip_of(members)),
        };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let length = cut.index(bytes.len() * 2).min(bytes.len());
        bytes.truncate(length);
        if let Ok(found) = read(kind, bytes) {
            prop_assert!(found.texts.len() <= 3);
        }
    }
}
