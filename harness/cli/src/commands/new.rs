//! `plumbline new`: the first text of a scenario. It is loaded before it is written.

use crate::args::NewArgs;
use plumbline::select::{Refused, SuiteFiles};
use plumbline::{exit, fault, root, schema};
use plumbline_core::scenario::{
    DraftFile, InputError, LoadError, Loader, draft_scenario, load_scenario, manifest_text, scenario_name,
};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};

/// Most files of the folders that are named.
const MAX_FILES: usize = 200;

/// Writes it.
pub fn run(args: &NewArgs) -> anyhow::Result<u8> {
    let first = args.files.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let stem = args.output.as_deref().unwrap_or(first).file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let name = scenario_name(stem);
    let out = args.output.clone().unwrap_or_else(|| free_file(&name));
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if args.output.is_some() {
        check_output(&out, folder)?;
    }
    let files = read_files(&args.files, folder)?;
    let root = root::find().ok();
    let own = out.file_stem().and_then(OsStr::to_str).unwrap_or(&name);
    let draft = draft_scenario(&name, own, &files).map_err(|errors| refused(&errors))?;
    let scenario = format!("{}\n{}", modeline(root.as_deref(), folder), draft.scenario);
    let manifests = draft.manifests.into_iter().map(|(path, text)| (folder.join(path), text));
    // The scenario is last: what it names exists then.
    let texts: Vec<(PathBuf, String)> = manifests.chain([(out.clone(), scenario)]).collect();
    check_loads(&out, &texts, root.as_deref())?;
    let Some((_, scenario)) = texts.last() else { return Ok(exit::PASS) };
    if args.output.is_none() {
        if texts.len() > 1 {
            let why = "a file has networks and pods; with --output OUT, each sort is written into a file of its own";
            return Err(Refused::one(why).into());
        }
        write!(anstream::stdout(), "{scenario}")?;
        return Ok(exit::PASS);
    }
    write_all(&texts)?;
    let mut stdout = anstream::stdout();
    for (path, _) in &texts {
        writeln!(stdout, "written: {}", path.display())?;
    }
    writeln!(stdout, "{} comments begin with \"decide\"", scenario.matches("# decide: ").count())?;
    writeln!(stdout, "next: plumbline run {}", out.display())?;
    Ok(exit::PASS)
}

/// A file of this folder that is not there: a scenario that is printed must not stand for a manifest that it names.
fn free_file(name: &str) -> PathBuf {
    let path = |number: usize| match number {
        1 => PathBuf::from(format!("{name}.yaml")),
        _ => PathBuf::from(format!("{name}-{number}.yaml")),
    };
    (1..).map(path).find(|path| path.symlink_metadata().is_err()).unwrap_or_default()
}

/// Writes new files. If one can't be written, none remains.
fn write_all(texts: &[(PathBuf, String)]) -> Result<(), Refused> {
    let write = |path: &Path, text: &str| {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
    };
    for (index, (path, text)) in texts.iter().enumerate() {
        if let Err(error) = write(path, text) {
            // One that was there before is not among them.
            let partly = index + usize::from(error.kind() != ErrorKind::AlreadyExists);
            texts.iter().take(partly).for_each(|(path, _)| drop(std::fs::remove_file(path)));
            return Err(not_written(path, &error));
        }
    }
    Ok(())
}

fn refused(errors: &[InputError]) -> Refused {
    Refused { problems: errors.iter().map(ToString::to_string).collect() }
}

fn not_written(out: &Path, error: &std::io::Error) -> Refused {
    let why = match error.kind() {
        ErrorKind::AlreadyExists => "exists already; expected a new file".to_owned(),
        _ => error.to_string(),
    };
    Refused::one(format!("{}: {why}", out.display()))
}

fn check_output(out: &Path, folder: &Path) -> Result<(), Refused> {
    if out.symlink_metadata().is_ok() {
        return Err(not_written(out, &ErrorKind::AlreadyExists.into()));
    }
    if !folder.is_dir() {
        return Err(Refused::one(format!("--output {}: expected a file in an existing folder", out.display())));
    }
    Ok(())
}

/// Every file that is named, and those of the folders that are named.
fn read_files(named: &[PathBuf], folder: &Path) -> Result<Vec<DraftFile>, Refused> {
    let mut paths = Vec::new();
    let mut problems = Vec::new();
    for path in named {
        match path.is_dir() {
            true => {
                if let Err(error) = manifests(path, &mut paths) {
                    problems.push(format!("{}: {error}", path.display()));
                }
            }
            false => paths.push(path.clone()),
        }
    }
    if paths.len() > MAX_FILES {
        problems.push(format!("{} files; at most {MAX_FILES} are read", paths.len()));
        paths.clear();
    }
    let mut files = Vec::new();
    for path in &paths {
        match read_file(path, folder) {
            Ok(file) => files.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(Refused { problems }) }
}

/// The manifests below a folder, sorted by path. Links to folders are not followed.
fn manifests(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.retain(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            manifests(&path, found)?;
        } else if ["yaml", "yml", "json"].iter().any(|ending| path.extension() == Some(OsStr::new(ending))) {
            found.push(path);
        }
        if found.len() > MAX_FILES {
            break;
        }
    }
    Ok(())
}

fn read_file(path: &Path, folder: &Path) -> Result<DraftFile, String> {
    let not_utf8 = || format!("{}: the path is not UTF-8", path.display());
    let name = path.to_str().ok_or_else(not_utf8)?.to_owned();
    let relative = relative(path, folder).map_err(|error| format!("{name}: {error}"))?;
    let manifest = relative.to_str().ok_or_else(not_utf8)?.to_owned();
    let own = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files = SuiteFiles::below([own.to_owned()]);
    let text = fault::name_file(&name, || manifest_text(&files, &name)).map_err(|error| error.to_string())?;
    Ok(DraftFile { name, manifest, text })
}

/// A path as seen from a folder, by its letters alone.
fn relative(path: &Path, folder: &Path) -> std::io::Result<PathBuf> {
    let (path, folder) =
        (root::without_dots(&std::path::absolute(path)?), root::without_dots(&std::path::absolute(folder)?));
    let common = path.components().zip(folder.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    Ok(up.chain(path.components().skip(common)).collect())
}

/// The first line, by which an editor finds the schema: that of the checkout, if the file is in one.
fn modeline(root: Option<&Path>, folder: &Path) -> String {
    let file = root.map(|root| root.join(schema::SCENARIO.file)).filter(|file| file.is_file());
    let inside = |root: &Path| std::fs::canonicalize(folder).is_ok_and(|folder| folder.starts_with(root));
    let inside = root.and_then(|root| std::fs::canonicalize(root).ok()).is_some_and(|root| inside(&root));
    match file.filter(|_| inside).and_then(|file| relative(&file, folder).ok()) {
        Some(path) => format!("# yaml-language-server: $schema={}", path.display()),
        // A line that begins as an editor's does would be read by it, and there is no such file yet.
        None => {
            "# For an editor: `plumbline schema scenario > scenario.schema.json`, and as the first line of this file \
                 `# yaml-language-server: $schema=scenario.schema.json`"
                .to_owned()
        }
    }
}

/// Refuses texts that can't be loaded: a manifest is out of reach, or objects do not fit together.
fn check_loads(out: &Path, texts: &[(PathBuf, String)], root: Option<&Path>) -> Result<(), Refused> {
    let name = out.to_str().ok_or_else(|| Refused::one(format!("{}: the path is not UTF-8", out.display())))?;
    let loader = DraftLoader { texts, files: SuiteFiles::of(out, root) };
    fault::name_file(name, || load_scenario(name, &loader)).map(drop).map_err(|errors| refused(&errors))
}

/// Files that are not written yet, before those of the scenario's folders.
struct DraftLoader<'a> {
    texts: &'a [(PathBuf, String)],
    files: SuiteFiles,
}

impl Loader for DraftLoader<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        let place = |path: &Path| std::path::absolute(path).map(|path| root::without_dots(&path)).ok();
        let wanted = place(Path::new(path));
        match self.texts.iter().find(|(other, _)| wanted.is_some() && place(other) == wanted) {
            Some((_, text)) => Ok(text.as_bytes().to_vec()),
            None => self.files.read(path),
        }
    }

    fn shared_templates(&self) -> Option<&str> {
        self.files.shared_templates()
    }
}

#[cfg(test)]
mod tests {
    use super::relative;
    use std::path::Path;

    #[test]
    fn a_path_is_seen_from_a_folder() {
        for (path, folder, wanted) in [
            ("a/b.yaml", ".", "a/b.yaml"),
            ("a/b.yaml", "a", "b.yaml"),
            ("./a/../b.yaml", "a/c", "../../b.yaml"),
            ("/x/b.yaml", "/x/y", "../b.yaml"),
        ] {
            assert_eq!(
                relative(Path::new(path), Path::new(folder)).unwrap(),
                Path::new(wanted),
                "{path} from {folder}"
            );
        }
    }
}
