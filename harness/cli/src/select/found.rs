//! Which files are scenarios.

use super::Refused;
use plumbline_core::plan::split_case;
use plumbline_core::scenario::did_you_mean;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A scenario file, or one case of its matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundScenario {
    /// The file.
    pub file: PathBuf,
    /// The case; none for all that the file has.
    pub case: Option<String>,
}

/// The scenario files behind what a user named, in order, each once. A name such as `openshift/chain-example`
/// stands for the file of that name under `suites/scenarios`. `FILE[CASE]` names one case of a file with a matrix.
///
/// # Errors
/// [`Refused`] with every name that leads to nothing.
pub fn find_scenarios(root: Option<&Path>, named: &[PathBuf]) -> Result<Vec<FoundScenario>, Refused> {
    let mut found: Vec<FoundScenario> = Vec::new();
    let mut seen: BTreeSet<(PathBuf, Option<String>)> = BTreeSet::new();
    let mut problems = Vec::new();
    for name in named {
        match resolve(root, name) {
            Ok((files, case)) => {
                for file in files {
                    let real = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
                    // A case of a file that is named as a whole is there already.
                    let is_new = !seen.contains(&(real.clone(), None)) && seen.insert((real.clone(), case.clone()));
                    if is_new && case.is_none() {
                        found.retain(|other| other.case.is_none() || !is_same(&other.file, &real));
                    }
                    if is_new {
                        found.push(FoundScenario { file, case: case.clone() });
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Refused { problems }) }
}

/// The files of [`find_scenarios`] alone.
///
/// # Errors
/// [`Refused`] with every name that leads to nothing.
pub fn find(root: Option<&Path>, named: &[PathBuf]) -> Result<Vec<PathBuf>, Refused> {
    Ok(find_scenarios(root, named)?.into_iter().map(|found| found.file).collect())
}

fn is_same(file: &Path, real: &Path) -> bool {
    std::fs::canonicalize(file).is_ok_and(|other| other == real)
}

/// The files that a name stands for, and the case that it names.
fn resolve(root: Option<&Path>, name: &Path) -> Result<(Vec<PathBuf>, Option<String>), String> {
    let (whole, case) = match name.to_str().map(split_case) {
        // A file whose own name ends in brackets.
        Some((whole, Some(case))) if name.symlink_metadata().is_err() => (Path::new(whole), Some(case)),
        _ => (name, None),
    };
    if whole.is_dir() {
        return match case {
            Some(case) => Err(format!("{}: is a folder, which has no case `{case}`", whole.display())),
            None => Ok((scenario_files(whole).map_err(|error| format!("{}: {error}", whole.display()))?, None)),
        };
    }
    let case = case.map(str::to_owned);
    // A dangling link or a socket is refused when the file is read.
    if whole.symlink_metadata().is_ok() {
        return Ok((vec![whole.to_owned()], case));
    }
    if let Some(root) = root
        && whole.is_relative()
        && whole.extension().is_none()
    {
        let file = root.join("suites/scenarios").join(format!("{}.yaml", whole.display()));
        if file.is_file() {
            return Ok((vec![shortened(&file)], case));
        }
    }
    let near = root.and_then(|root| nearest(root, whole)).map(|near| format!("; did you mean {near}?"));
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
    fn a_case_is_named_in_brackets_after_its_file() {
        let dir = std::env::temp_dir().join(format!("plumbline-cases-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (file, odd) = (dir.join("a.yaml"), dir.join("b.yaml[x]"));
        std::fs::write(&file, "").unwrap();
        std::fs::write(&odd, "").unwrap();
        let name = |name: &str| dir.join(name);
        let find = |names: &[PathBuf]| {
            let found = find_scenarios(None, names).map_err(|refused| refused.to_string())?;
            Ok::<_, String>(found.into_iter().map(|found| (found.file, found.case)).collect::<Vec<_>>())
        };
        let (one, two) = (name("a.yaml[ptp,1]"), name("a.yaml[ptp,2]"));
        let both = find(&[one.clone(), two.clone(), one.clone()]).unwrap();
        let whole = find(&[one.clone(), file.clone(), two]).unwrap();
        let other = find(std::slice::from_ref(&odd)).unwrap();
        let folder = find(&[dir.with_file_name(format!("{}[a]", dir.file_name().unwrap().display()))]);
        let nothing = find(&[name("c.yaml[a]")]);
        std::fs::remove_dir_all(&dir).unwrap();
        let case = |case: &str| (file.clone(), Some(case.to_owned()));
        assert_eq!(both, [case("ptp,1"), case("ptp,2")]);
        assert_eq!(whole, [(file.clone(), None)]);
        assert_eq!(other, [(odd, None)]);
        assert!(folder.unwrap_err().contains("is a folder"));
        assert!(nothing.unwrap_err().contains("c.yaml[a]: no such file"));
    }

    #[test]
    fn names_without_a_file_are_reported() {
        let refused = find(None, &[PathBuf::from("no/such"), PathBuf::from("nor/this")]).unwrap_err();
        assert_eq!(refused.problems.len(), 2);
    }
}
