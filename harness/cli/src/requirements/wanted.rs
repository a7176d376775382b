//! `suites/requirements.yaml`.

use crate::registry;
use crate::select::Refused;
use plumbline_core::finding::FindingCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The name that a requirement has instead of a lane, for lint cases.
pub const LINT: &str = "lint";

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    api_version: String,
    kind: String,
    requirements: BTreeMap<String, Vec<Part>>,
}

/// A part of a requirement: what must be shown, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// In a few words.
    pub what: String,
    /// The lanes that must show it.
    pub lanes: Vec<String>,
    /// A warning that a pass must have to show it.
    #[serde(default)]
    pub finding: Option<FindingCode>,
    /// A capability that a scenario must require to show it.
    #[serde(default)]
    pub requires: Option<String>,
    /// A capability: scenarios that require it belong to another part.
    #[serde(default)]
    pub without: Option<String>,
    /// The cluster profile, on a lane with profiles; none for the lane's choice.
    #[serde(default)]
    pub profile: Option<String>,
    /// Whether negative scenarios alone show it.
    #[serde(default)]
    pub negative: bool,
    /// Whether changes of Terway's chain on a cluster of the profile show it.
    #[serde(default)]
    pub chain_changes: bool,
}

impl Part {
    /// The cluster profile on a lane; none if the lane has no profiles, or the part names none.
    pub fn profile_on(&self, lane: &str) -> Option<&str> {
        self.profile.as_deref().filter(|_| registry::has_profiles(lane))
    }
}

/// Requirements by name.
pub type Requirements = BTreeMap<String, Vec<Part>>;

/// Reads the file below the project's folder: the named requirements, or all.
///
/// # Errors
/// [`Refused`] when the file is missing or invalid, or lacks a named requirement.
pub fn read(root: &Path, asked: &[String]) -> Result<Requirements, Refused> {
    let path = root.join("suites/requirements.yaml");
    let refused = |why: String| Refused::one(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
    parse(&text, asked).map_err(refused)
}

fn parse(text: &str, asked: &[String]) -> Result<Requirements, String> {
    let file: File = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    if (file.api_version.as_str(), file.kind.as_str()) != ("plumbline.dev/v1alpha1", "Requirements") {
        let (version, kind) = (file.api_version, file.kind);
        return Err(format!(
            "expected apiVersion plumbline.dev/v1alpha1 and kind Requirements, found {version} and {kind}"
        ));
    }
    if let Some((requirement, _)) =
        file.requirements.iter().find(|(_, parts)| parts.is_empty() || parts.iter().any(|p| p.lanes.is_empty()))
    {
        return Err(format!("requirement {requirement}: expected a part, and a lane in each part"));
    }
    let nowhere = |part: &Part| {
        part.chain_changes && (part.lanes.iter().any(|lane| !registry::has_profiles(lane)) || part.profile.is_none())
    };
    if let Some((requirement, _)) = file.requirements.iter().find(|(_, parts)| parts.iter().any(nowhere)) {
        return Err(format!(
            "requirement {requirement}: a chain change needs lanes with cluster profiles, and the profile that it names"
        ));
    }
    if asked.is_empty() {
        return Ok(file.requirements);
    }
    let mut requirements = Requirements::new();
    for name in asked {
        let name = name.to_ascii_uppercase();
        let known: Vec<&str> = file.requirements.keys().map(String::as_str).collect();
        let parts = file.requirements.get(&name);
        let parts = parts.ok_or_else(|| format!("no requirement {name}; there are {}", known.join(", ")))?;
        requirements.insert(name, parts.clone());
    }
    Ok(requirements)
}

#[cfg(test)]
mod tests {
    use super::parse;

    const HEAD: &str = "apiVersion: plumbline.dev/v1alpha1\nkind: Requirements\n";

    #[test]
    fn requirements_are_found_by_name_and_unknown_ones_refused() {
        let text =
            format!("{HEAD}requirements:\n  R01: [{{what: a, lanes: [netns]}}]\n  R02: [{{what: b, lanes: [kind]}}]\n");
        assert_eq!(parse(&text, &[]).unwrap().len(), 2);
        assert_eq!(parse(&text, &["r02".into()]).unwrap()["R02"][0].what, "b");
        assert!(parse(&text, &["R09".into()]).unwrap_err().contains("there are R01, R02"));
    }

    #[test]
    fn a_requirement_without_a_part_or_a_lane_is_refused() {
        for requirements in ["{R01: []}", "{R01: [{what: a, lanes: []}]}"] {
            assert!(
                parse(&format!("{HEAD}requirements: {requirements}\n"), &[]).unwrap_err().contains("expected a part")
            );
        }
        assert!(parse(&format!("{HEAD}requirements: {{R01: [{{what: a, lane: [netns]}}]}}\n"), &[]).is_err());
        let rollout = |rest: &str| {
            parse(&format!("{HEAD}requirements: {{R10: [{{what: a, chainChanges: true, {rest}}}]}}\n"), &[])
        };
        assert!(rollout("lanes: [kind]").unwrap_err().contains("profile that it names"));
        assert!(rollout("lanes: [kind, netns], profile: terway").is_err());
        assert!(rollout("lanes: [kind], profile: terway").is_ok());
    }
}
