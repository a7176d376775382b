//! The settings of one saboteur: a JSON file beside it.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The message of a call whose mutant could not be applied begins with it.
pub const NOT_APPLIED: &str = "saboteur: not applied";

/// The message of a call whose mutant needs what this host lacks begins with it.
pub const SKIPPED: &str = "saboteur: skipped";

/// The mutant that changes nothing: the control.
pub const CONTROL: &str = "none";

/// The settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The real plugin: its path, or a name beside the saboteur.
    pub plugin: PathBuf,
    /// The mutant's id, or [`CONTROL`].
    pub mutant: String,
    /// The `CNI_COMMAND`s that are bent; none means those that the mutant is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// The `CNI_IFNAME` that is bent; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// The file of the saboteur that stands for a plugin: `.NAME.saboteur.json`. It is hidden, because every other file of a
/// folder of plugins is taken for a plugin.
pub fn file_name(plugin: &str) -> String {
    format!(".{plugin}.saboteur.json")
}

/// Finds the file of a program: beside it under the name by which it was started, else where that link leads to.
pub fn find(program: &Path) -> Option<PathBuf> {
    /// As many links as the kernel follows (`MAXSYMLINKS`).
    const MAX_LINKS: usize = 40;
    let mut program = program.to_owned();
    for _ in 0..MAX_LINKS {
        let file = program.with_file_name(file_name(&program.file_name()?.to_string_lossy()));
        if file.is_file() {
            return Some(file);
        }
        let target = program.read_link().ok()?;
        program = program.parent()?.join(target);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused() {
        let read = |text: &str| serde_json::from_str::<Settings>(text);
        let settings = read(r#"{"plugin": "/opt/real/macvlan", "mutant": "M07", "commands": ["ADD"]}"#).unwrap();
        assert_eq!((settings.mutant.as_str(), settings.interface), ("M07", None));
        assert!(read(r#"{"plugin": "x", "mutant": "M07", "comands": []}"#).is_err());
        assert_eq!(file_name("macvlan"), ".macvlan.saboteur.json");
    }
}
