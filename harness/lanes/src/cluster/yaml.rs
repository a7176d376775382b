//! The one place in this crate that knows the YAML library: profile files, kind's configuration, manifests of ours.
//! Users' manifests do not come this way: they are in the plan already.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Decodes one document strictly into `T`; `name` is the file's name for the error, which carries line and column.
///
/// # Errors
/// The library's words, with line and column, after the file's name.
pub fn decode<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, String> {
    serde_yaml::from_str(text).map_err(|e| format!("{name}: {e}"))
}

/// Every document of a manifest of ours, as JSON values; empty documents are left out.
///
/// # Errors
/// The library's words, with line and column, after the file's name.
pub fn documents(name: &str, text: &str) -> Result<Vec<Value>, String> {
    let all: Vec<Value> = serde_yaml::from_multiple(text).map_err(|e| format!("{name}: {e}"))?;
    Ok(all.into_iter().filter(|doc| !doc.is_null()).collect())
}
