//! Which files are scenarios.

use super::Refused;
use plumbline_core::scenario::did_you_mean;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The scenario files behind what a user named, in order, each once. A name such as `openshift/chain-example`
/// stands for the file of that name under `suites/scenarios`.
///
/// # Errors
/// [`Refused`] with every name that leads to nothing.
pub fn find(root: Option<&Path>, named: &[PathBuf]) -> Result<Vec<PathBuf>, Refused> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for name in named {
        match resolve(root, name) {
            Ok(files) => {
                for file in files {
                    if seen.insert(std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone())) {
                        found.push(file);
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Refused { problems }) }
}

fn resolve(root: Option<&Path>, name: &Path) -> Result<Vec<PathBuf>, String> {
    if name.is_dir() {
        return scenario_files(name).map_err(|error| format!("{}: {error}", name.display()));
    }
    // A dangling link or a socket is refused when the file is read.
    if name.symlink_metadata().is_ok() {
        return Ok(vec![name.to_owned()]);
    }
    if let Some(root) = root
        && name.is_relative()
        && name.extension().is_none()
    {
        let file = root.join("suites/scenarios").join(format!("{}.yaml", name.display()));
        if file.is_file() {
            return Ok(vec![shortened(&file)]);
        }
    }
    let near = root.and_then(|root| nearest(root, name)).map(|near| format!("; did you mean {near}?"));
    let near = near.unwrap_or_else(|| "; `plumbline list` shows what there is".to_owned());
    Err(format!("{}: no such file, folder or scenario{near}", name.display()))
}

/// The scenario, or the file of a negative scenario, that was most likely meant.
fn nearest(root: &Path, name: &Path) -> Option<String> {
    let name = name.to_str()?;
    let negative = root.join("suites/negative").join(format!("{name}.yaml"));
    if negative.is_file() {
        return Some(shortened(&negative).display().to_string());
    }
    let folder = root.join("suites/scenarios");
    let files = scenario_files(&folder).ok()?;
    let names: Vec<String> = files
        .iter()
        .filter_map(|file| Some(file.strip_prefix(&folder).ok()?.with_extension("").to_str()?.to_owned()))
        .collect();
    did_you_mean(name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The path as seen from the current folder, where it lies below it: what a report can show and a user paste.
fn shortened(file: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|here| file.strip_prefix(here).ok().map(Path::to_owned))
        .unwrap_or_else(|| file.to_owned())
}

/// The name of folders with templates.
const TEMPLATES: &str = "templates";

/// Every scenario file below a folder, sorted by path. A scenario's own manifests live in a folder beside it that
/// bears its name (`chain-example.yaml`, `chain-example/`), templates in folders `templates`; every other `.yaml` or `.yml` file is a scenario, so that
/// one with a slip in its first lines is refused and not passed over.
///
/// # Errors
/// When a folder can't be read.
pub fn scenario_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Links to folders are not followed: they could lead in a circle.
        if entry.file_type()?.is_dir() {
            folders.push(path);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    let stems: BTreeSet<PathBuf> = files.iter().map(|f| f.with_extension("")).collect();
    let templates = |folder: &PathBuf| folder.file_name().is_some_and(|name| name == TEMPLATES);
    for inner in folders.into_iter().filter(|folder| !stems.contains(folder) && !templates(folder)) {
        files.extend(scenario_files(&inner)?);
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenarios_own_folder_holds_no_scenarios() {
        let dir = std::env::temp_dir().join(format!("plumbline-found-{}", std::process::id()));
        for (path, text) in [
            ("t/case.yaml", ""),
            ("t/case/pod.yaml", ""),
            ("t/other/deep.yaml", ""),
            ("t/.hidden.yaml", ""),
            ("t/templates/a.yaml", ""),
        ] {
            let file = dir.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let found = scenario_files(&dir).unwrap();
        let names: Vec<_> = found.iter().map(|f| f.strip_prefix(&dir).unwrap().display().to_string()).collect();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(names, ["t/case.yaml", "t/other/deep.yaml"]);
    }

    #[test]
    fn names_without_a_file_are_reported() {
        let refused = find(None, &[PathBuf::from("no/such"), PathBuf::from("nor/this")]).unwrap_err();
        assert_eq!(refused.problems.len(), 2);
    }
}
