//! From files, folders and names to plans: they are found, read and checked. All problems are collected before anything is
//! changed.

mod files;
mod found;

pub use files::SuiteFiles;
pub use found::{find, scenario_files};

use crate::fault;
use plumbline_core::plan::Plan;
use plumbline_core::scenario::{load_scenario, same_names};
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
    for file in find(root, named)? {
        match plan(root, &file) {
            Ok(plan) => plans.push(plan),
            Err(refused) => problems.extend(refused.problems),
        }
    }
    problems.extend(same_names(&plans).iter().map(ToString::to_string));
    if problems.is_empty() { Ok(plans) } else { Err(Refused { problems }) }
}

/// Reads one scenario file.
///
/// # Errors
/// [`Refused`] with every mistake in it.
pub fn plan(root: Option<&Path>, file: &Path) -> Result<Plan, Refused> {
    let name = file.to_str().ok_or_else(|| Refused::one(format!("{}: the path is not UTF-8", file.display())))?;
    fault::name_file(name, || load_scenario(name, &SuiteFiles::of(file, root)))
        .map_err(|errors| Refused { problems: errors.iter().map(ToString::to_string).collect() })
}
