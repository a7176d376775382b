//! Reads YAML files of `images/` and `clusters/` strictly, and writes them. Only this file uses the YAML library.

use crate::build_error::{Context as _, Result, refuse};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The `apiVersion` of all these files.
pub(crate) const API_VERSION: &str = "plumbline.dev/v1alpha1";

/// Reads one document. An unknown key, a duplicate one or a wrong type is an error that names file, line and column.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    parse(&text, path)
}

/// As [`read`], for the text of the file `path`.
pub(crate) fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    serde_yaml::from_str(text).with_context(|| path.display().to_string())
}

/// Writes one document below comment lines, atomically.
pub(crate) fn write<T: Serialize>(path: &Path, comment: &str, value: &T) -> Result<()> {
    let body = serde_yaml::to_string(value).with_context(|| format!("failed to write {}", path.display()))?;
    let text: String = comment.lines().map(|line| format!("# {line}\n")).collect::<String>() + &body;
    let beside = path.with_extension("yaml.new");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .with_context(|| format!("failed to write {}", path.display()))
}

/// Refuses a document of another kind or version.
pub(crate) fn check(path: &Path, found: (&str, &str), kind: &str) -> Result<()> {
    if found != (API_VERSION, kind) {
        refuse!(
            "{}: expected apiVersion {API_VERSION} and kind {kind}, found {} and {}",
            path.display(),
            found.0,
            found.1
        );
    }
    Ok(())
}
