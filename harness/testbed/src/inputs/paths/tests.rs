use super::*;
use crate::inputs::limits::MAX_TEXTS;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

const ENDINGS: &[&str] = &[".yaml", ".json"];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            std::fs::create_dir_all(folder.at(path).parent().unwrap()).unwrap();
            std::fs::write(folder.at(path), text).unwrap();
        }
        folder
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// What is read of some paths in it, names from the folder on.
    fn read(&self, paths: &[&str]) -> (Vec<String>, usize, Vec<String>) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| self.at(path)).collect();
        let found = read(&paths, ENDINGS, io::empty());
        let short = |text: String| text.replace(&format!("{}/", self.0.path().display()), "");
        (
            found.texts.into_iter().map(|text| short(text.name)).collect(),
            found.skipped,
            found.problems.into_iter().map(|problem| short(problem.to_string())).collect(),
        )
    }
}

#[test]
fn a_folder_is_read_by_path_with_counts_of_the_rest() {
    let folder = Folder::new(&[
        ("b.yaml", ""),
        ("a/z.JSON", ""),
        ("a/note.md", ""),
        (".hidden.yaml", ""),
        (".git/c.yaml", ""),
        ("yaml", ""),
        (".yaml", ""),
    ]);
    let (names, skipped, problems) = folder.read(&["."]);
    assert_eq!((names, skipped, problems), (vec!["./a/z.JSON".into(), "./b.yaml".into()], 4, vec![]));
    assert_eq!(folder.read(&[".hidden.yaml", "a/note.md"]).0, [".hidden.yaml", "a/note.md"], "named by the user");
}

#[test]
fn a_file_is_read_once() {
    let folder = Folder::new(&[("a/one.yaml", ""), ("a/two.yaml", "")]);
    symlink("one.yaml", folder.at("a/again.yaml")).unwrap();
    let (names, ..) = folder.read(&["a/two.yaml", "a", "a/../a/one.yaml"]);
    assert_eq!(names, ["a/two.yaml", "a/again.yaml"]);
}

#[test]
fn a_link_to_a_folder_above_makes_no_circle() {
    let folder = Folder::new(&[("a/b/one.yaml", "")]);
    symlink("../..", folder.at("a/b/up")).unwrap();
    symlink("up.yaml", folder.at("a/b/up.yaml")).unwrap();
    assert_eq!(folder.read(&["a"]), (vec!["a/b/one.yaml".into()], 2, vec![]));
    assert_eq!(folder.read(&["a/b/up.yaml"]).2.len(), 1, "a link to itself that the user names");
}

#[test]
fn what_is_no_readable_text_is_refused_at_its_place() {
    let folder = Folder::new(&[("good.yaml", "a: 1"), ("latin.yaml", "a: 1\nb: x")]);
    std::fs::write(folder.at("latin.yaml"), b"a: 1\nb: \xe9").unwrap();
    File::create(folder.at("sparse.yaml")).unwrap().set_len(100 << 20).unwrap();
    nix::unistd::mkfifo(&folder.at("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let begun = std::time::Instant::now();
    let (names, _, problems) = folder.read(&["absent.yaml", "latin.yaml", "sparse.yaml", "pipe.yaml", "good.yaml"]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1));
    assert_eq!(names, ["good.yaml"]);
    assert_eq!(
        problems,
        [
            "absent.yaml: No such file or directory (os error 2)",
            "latin.yaml: not UTF-8",
            "sparse.yaml: larger than 8388608 bytes",
            "pipe.yaml: not a regular file; fix: `-` reads standard input",
        ]
    );
    assert_eq!(folder.read(&["."]).1, 1, "a pipe in a folder is left out");
}

#[test]
fn names_of_any_bytes_are_read_or_refused() {
    let folder = Folder::new(&[("new\nline.yaml", ""), ("\u{1b}[31m.yaml", ""), ("größe 网络.yaml", "")]);
    let bytes = std::ffi::OsStr::from_bytes(b"\xff.yaml");
    std::fs::write(folder.0.path().join(bytes), "").unwrap();
    let (names, _, problems) = folder.read(&["."]);
    assert_eq!(names.len(), 3);
    assert_eq!(problems, ["./\u{fffd}.yaml: the path is not UTF-8"]);
}

#[test]
fn unreadable_files_and_folders_are_problems() {
    let folder = Folder::new(&[("a/one.yaml", ""), ("b/two.yaml", "")]);
    for path in ["a", "b/two.yaml"] {
        std::fs::set_permissions(folder.at(path), std::fs::Permissions::from_mode(0o0)).unwrap();
    }
    // root reads everything.
    if std::fs::read_dir(folder.at("a")).is_err() {
        assert_eq!(folder.read(&["."]).2.len(), 2);
    }
    std::fs::set_permissions(folder.at("a"), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn folders_have_a_greatest_depth() {
    let deep = format!("{}one.yaml", "a/".repeat(MAX_DEPTH + 2));
    let (names, _, problems) = Folder::new(&[(&deep, ""), ("two.yaml", "")]).read(&["."]);
    assert_eq!(names, ["./two.yaml"]);
    assert!(problems[0].ends_with("nested deeper than 32 levels"), "{problems:?}");
}

#[test]
fn standard_input_is_read_once_and_bounded() {
    let read = |stdin: &[u8]| read(&["-".into(), "-".into()], ENDINGS, stdin);
    let found = read(b"\xef\xbb\xbfa: 1");
    assert_eq!(found.texts, [InputText { name: "stdin".into(), text: "a: 1".into(), is_named: true }]);
    let large = vec![b'a'; usize::try_from(MAX_TEXT).unwrap() + 1];
    assert_eq!(read(&large).problems, [InputProblem::new("stdin", LimitReached::Text)]);
}

#[test]
fn archives_are_read_when_the_user_names_them() {
    let folder = Folder::new(&[]);
    let mut builder = tar::Builder::new(File::create(folder.at("a.tar")).unwrap());
    for name in ["./nads/one.yaml", "._one.yaml", ".git/two.yaml", "x.md"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        builder.append_data(&mut header, name, &b"a: 1"[..]).unwrap();
    }
    builder.into_inner().unwrap();
    assert_eq!(folder.read(&["a.tar"]), (vec!["a.tar/nads/one.yaml".into()], 3, vec![]));
    assert_eq!(folder.read(&["."]), (vec![], 1, vec![]), "an archive in a folder is left out");
}

#[test]
fn more_files_than_the_bound_end_the_reading() {
    let mut budget = Budget::default();
    for _ in 0..MAX_TEXTS {
        budget.take_text(io::empty()).unwrap();
    }
    let error = budget.take_text(io::empty()).unwrap_err();
    assert_eq!(limit_of(&error), Some(LimitReached::Texts));
}
