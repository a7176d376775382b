//! From the command line to the lanes' options, checked before anything is changed.

use crate::args::{ExecutionArgs, ProgramArgs, TestbedArgs};
use plumbline::select::Refused;
use plumbline_lanes::context::Options;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Reads plugins, search path, profile and the consent to install software.
///
/// # Errors
/// As [`read_programs`].
pub fn read(testbed: &TestbedArgs) -> Result<Options, Refused> {
    Ok(Options {
        profile: testbed.profile.clone(),
        may_install: testbed.yes || std::env::var("CI").is_ok_and(|v| v == "true"),
        ..read_programs(&testbed.programs)?
    })
}

/// Reads plugins and search path.
///
/// # Errors
/// [`Refused`] when a path is missing or of the wrong kind.
pub fn read_programs(programs: &ProgramArgs) -> Result<Options, Refused> {
    let mut problems = Vec::new();
    let mut plugins = BTreeMap::new();
    for text in &programs.plugin {
        match plugin(text) {
            Ok((name, path)) => {
                if plugins.insert(name.clone(), path).is_some() {
                    problems.push(format!("--plugin {name} is given twice"));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    let mut cni_path = Vec::new();
    for dir in &programs.cni_path {
        match std::fs::canonicalize(dir) {
            Ok(path) if path.is_dir() => cni_path.push(path),
            Ok(_) => problems.push(format!("--cni-path {} is not a folder", dir.display())),
            Err(error) => problems.push(format!("--cni-path {}: {error}", dir.display())),
        }
    }
    if !problems.is_empty() {
        return Err(Refused { problems });
    }
    Ok(Options { plugins, cni_path, ..Options::default() })
}

/// The number of scenarios at the same time on one lane.
pub fn jobs(execution: &ExecutionArgs) -> usize {
    match execution.jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => usize::from(jobs),
    }
}

fn plugin(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or_else(|| format!("--plugin {text}: expected NAME=PATH"))?;
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(format!("--plugin {text}: {name:?} can't be a plugin's name"));
    }
    let path = std::fs::canonicalize(path).map_err(|error| format!("--plugin {text}: {error}"))?;
    let meta = std::fs::metadata(&path).map_err(|error| format!("--plugin {text}: {error}"))?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return Err(format!("--plugin {text}: {} is not a program", path.display()));
    }
    Ok((name.to_owned(), path))
}

#[cfg(test)]
mod tests {
    use super::plugin;

    #[test]
    fn a_plugin_is_a_name_and_a_program() {
        assert!(plugin("macvlan").unwrap_err().contains("NAME=PATH"));
        assert!(plugin("a/b=/bin/sh").unwrap_err().contains("plugin's name"));
        assert!(plugin("macvlan=/nowhere/at/all").unwrap_err().contains("No such file"));
        assert!(plugin("macvlan=/etc/passwd").unwrap_err().contains("not a program"));
        assert_eq!(plugin("macvlan=/bin/sh").unwrap().0, "macvlan");
    }
}
