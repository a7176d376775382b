//! From the command line to the lanes' options: checked before anything is touched.

use crate::args::{Colour, KeepWhen, Parts, TranscriptsWhen};
use plumbline::select::Refused;
use plumbline_lanes::context::{Keep, Options};
use plumbline_report::terminal::ColourChoice;
use plumbline_report::text::Transcripts;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Makes `--color` hold for every stream of this process.
pub fn colour(colour: Colour) {
    if let Some(choice) = match colour {
        Colour::Auto => None,
        Colour::Always => Some(ColourChoice::Always),
        Colour::Never => Some(ColourChoice::Never),
    } {
        choice.write_global();
    }
}

/// `--keep` as the lanes have it.
pub fn keep(when: KeepWhen) -> Keep {
    match when {
        KeepWhen::Never => Keep::Never,
        KeepWhen::OnFailure => Keep::OnFailure,
        KeepWhen::Always => Keep::Always,
    }
}

/// `--transcripts` as the report has it.
pub fn transcripts(when: TranscriptsWhen) -> Transcripts {
    match when {
        TranscriptsWhen::Always => Transcripts::Always,
        TranscriptsWhen::OnFailure => Transcripts::OnFailure,
        TranscriptsWhen::Never => Transcripts::Never,
    }
}

/// Plugins, search path, profile and the right to install.
///
/// # Errors
/// [`Refused`] when a path is not there or not what it must be.
pub fn from_parts(parts: &Parts) -> Result<Options, Refused> {
    let mut problems = Vec::new();
    let mut plugins = BTreeMap::new();
    for text in &parts.plugin {
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
    for dir in &parts.cni_path {
        match std::fs::canonicalize(dir) {
            Ok(path) if path.is_dir() => cni_path.push(path),
            Ok(_) => problems.push(format!("--cni-path {} is no folder", dir.display())),
            Err(error) => problems.push(format!("--cni-path {}: {error}", dir.display())),
        }
    }
    if !problems.is_empty() {
        return Err(Refused { problems });
    }
    Ok(Options {
        plugins,
        cni_path,
        profile: parts.profile.clone(),
        may_install: parts.yes || std::env::var("CI").is_ok_and(|v| v == "true"),
        ..Options::default()
    })
}

fn plugin(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or_else(|| format!("--plugin {text}: want NAME=PATH"))?;
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(format!("--plugin {text}: {name:?} can't be a plugin's name"));
    }
    let path = std::fs::canonicalize(path).map_err(|error| format!("--plugin {text}: {error}"))?;
    let meta = std::fs::metadata(&path).map_err(|error| format!("--plugin {text}: {error}"))?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return Err(format!("--plugin {text}: {} is no program", path.display()));
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
        assert!(plugin("macvlan=/etc/passwd").unwrap_err().contains("no program"));
        assert_eq!(plugin("macvlan=/bin/sh").unwrap().0, "macvlan");
    }
}
