//! From files, folders and names to plans: they are found, read and checked. All problems are collected before anything is
//! changed.

mod files;
mod found;

pub use files::SuiteFiles;
pub use found::{FoundScenario, find, find_scenarios, scenario_files};

use crate::fault;
use plumbline_core::plan::{Plan, split_case};
use plumbline_core::scenario::{InputError, Loader, load_case, load_scenario, load_scenarios, same_names};
use std::path::{Path, PathBuf};

/// Input that can't be run: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct Refused {
    /// Every problem, each with file, line and column where there are any.
    pub problems: Vec<String>,
}

/// Input that can't be used by a command that never changes anything.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RefusedReading(#[from] pub Refused);

impl Refused {
    /// One problem.
    pub fn one(problem: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()] }
    }
}

/// Finds and reads every scenario named, with all files that each one names.
///
/// # Errors
/// [`Refused`] with every mistake in every file, each with its place.
pub fn plans(root: Option<&Path>, named: &[PathBuf]) -> Result<Vec<Plan>, Refused> {
    let mut plans = Vec::new();
    let mut problems = Vec::new();
    for found in find_scenarios(root, named)? {
        let read = match &found.case {
            Some(case) => self::case(root, &found.file, case).map(|plan| vec![plan]),
            None => cases(root, &found.file),
        };
        match read {
            Ok(read) => plans.extend(read),
            Err(refused) => problems.extend(refused.problems),
        }
    }
    problems.extend(same_names(&plans).iter().map(ToString::to_string));
    if problems.is_empty() { Ok(plans) } else { Err(Refused { problems }) }
}

/// Reads the scenarios of a file: one, or one for each case of its matrix.
///
/// # Errors
/// [`Refused`] with every mistake in it.
pub fn cases(root: Option<&Path>, file: &Path) -> Result<Vec<Plan>, Refused> {
    read(root, file, load_scenarios)
}

/// Reads one case of a file with a matrix, by its name.
///
/// # Errors
/// [`Refused`] with every mistake in it.
pub fn case(root: Option<&Path>, file: &Path, name: &str) -> Result<Plan, Refused> {
    read(root, file, |file, files| load_case(file, name, files))
}

/// Reads a file with one scenario.
///
/// # Errors
/// [`Refused`] with every mistake in it.
pub fn plan(root: Option<&Path>, file: &Path) -> Result<Plan, Refused> {
    read(root, file, load_scenario)
}

/// Reads a scenario of a folder by its name: the path of its file below the folder, without its ending, and its case.
///
/// # Errors
/// [`Refused`] with every mistake in it.
pub fn named(root: Option<&Path>, folder: &Path, name: &str) -> Result<Plan, Refused> {
    let (file, case) = split_case(name);
    let file = folder.join(format!("{file}.yaml"));
    match case {
        Some(case) => self::case(root, &file, case),
        None => plan(root, &file),
    }
}

fn read<T>(
    root: Option<&Path>,
    file: &Path,
    load: impl FnOnce(&str, &dyn Loader) -> Result<T, Vec<InputError>>,
) -> Result<T, Refused> {
    let name = file.to_str().ok_or_else(|| Refused::one(format!("{}: the path is not UTF-8", file.display())))?;
    fault::name_file(name, || load(name, &SuiteFiles::of(file, root)))
        .map_err(|errors| Refused { problems: errors.iter().map(ToString::to_string).collect() })
}
