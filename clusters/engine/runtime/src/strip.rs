//! Removes from a request the capabilities that the host lacks.

use crate::capability::Set;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Rewrites `path` (an OCI `config.json`, or the process of an `exec`) without the capabilities that are not in
/// `held`. A file that requests no missing capability stays unchanged.
///
/// # Errors
/// When the file can't be read, is no JSON, or can't be replaced.
pub fn rewrite_file(path: &Path, held: Set) -> Result<()> {
    let text = fs::read(path).context("failed to read it")?;
    let mut spec: Value = serde_json::from_slice(&text).context("it is no JSON")?;
    if !strip_capabilities(&mut spec, held) {
        return Ok(());
    }
    // Written beside it and renamed, so that the engine never reads a partial file.
    let mut name = path.as_os_str().to_owned();
    name.push(".plumbline");
    let beside = Path::new(&name);
    fs::write(beside, serde_json::to_vec(&spec)?).with_context(|| format!("failed to write {}", beside.display()))?;
    fs::set_permissions(beside, fs::metadata(path)?.permissions()).context("failed to keep its mode")?;
    fs::rename(beside, path).context("failed to replace it")
}

/// Removes missing capabilities from every set of the process. Returns whether anything changed.
fn strip_capabilities(spec: &mut Value, held: Set) -> bool {
    // An exec's file is the process itself. A bundle's config has the process under this key (OCI runtime spec, config.md).
    let pointer = if spec.get("process").is_some() { "/process/capabilities" } else { "/capabilities" };
    let Some(sets) = spec.pointer_mut(pointer).and_then(Value::as_object_mut) else { return false };
    let mut changed = false;
    for set in sets.values_mut().filter_map(Value::as_array_mut) {
        let before = set.len();
        set.retain(|name| !name.as_str().is_some_and(|name| held.lacks(name)));
        changed |= set.len() != before;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Everything but CAP_SYS_RESOURCE.
    const HELD: Set = Set(0x1ff_feff_ffff);

    #[test]
    fn only_missing_capabilities_are_removed_from_a_bundle() {
        let caps =
            json!({"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "ambient": [], "effective": ["CAP_SYS_RESOURCE"]});
        let mut spec = json!({"ociVersion": "1.0.2", "process": {"args": ["sh"], "capabilities": caps}});
        assert!(strip_capabilities(&mut spec, HELD));
        let left = json!({"bounding": ["CAP_CHOWN"], "ambient": [], "effective": []});
        assert_eq!(spec, json!({"ociVersion": "1.0.2", "process": {"args": ["sh"], "capabilities": left}}));
        assert!(!strip_capabilities(&mut spec, HELD), "a second call changes nothing");
    }

    #[test]
    fn the_file_of_an_exec_is_the_process_itself() {
        let mut spec = json!({"args": ["sh"], "capabilities": {"permitted": ["CAP_SYS_RESOURCE", "CAP_BPF"]}});
        assert!(strip_capabilities(&mut spec, HELD));
        assert_eq!(spec["capabilities"], json!({"permitted": ["CAP_BPF"]}));
        assert!(
            !strip_capabilities(&mut json!({"args": ["sh"]}), HELD),
            "a process without capabilities stays unchanged"
        );
    }

    #[test]
    fn a_file_is_written_only_if_it_changes() {
        let dir = std::env::temp_dir().join(format!("plumbline-runtime-test-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("config.json");
        let text = r#"{ "process" : { "capabilities" : { "bounding" : [ "CAP_CHOWN" ] } } }"#;
        fs::write(&path, text).unwrap();
        rewrite_file(&path, HELD).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        fs::write(&path, text.replace("CAP_CHOWN", "CAP_SYS_RESOURCE")).unwrap();
        rewrite_file(&path, HELD).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"process":{"capabilities":{"bounding":[]}}}"#);
        fs::write(&path, "{").unwrap();
        assert!(rewrite_file(&path, HELD).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
