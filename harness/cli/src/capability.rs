//! The capability file: what each lane offered when it was last opened on this host. `doctor` and `up` write it. Listing tests
//! reads it, since a list must not probe.

use crate::{registry, session};
use plumbline_lanes::context::Context;
use plumbline_lanes::host::Capabilities;
use plumbline_lanes::lane::{Lane, OpenLane};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::folders;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is known of one lane on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// The cluster profile, on lanes that have one.
    #[serde(default)]
    pub profile: Option<String>,
    /// What it offers, as probed by trying.
    #[serde(default)]
    pub offers: Capabilities,
    /// Why it could not be opened, in one line; none when it could.
    #[serde(default)]
    pub error: Option<String>,
}

impl Known {
    /// Of a lane that is open.
    pub fn open(lane: &dyn OpenLane) -> Self {
        Self { profile: lane.profile(), offers: lane.offers().clone(), error: None }
    }

    /// Of a lane that could not be opened.
    pub fn testbed_error(error: &TestbedError) -> Self {
        let line = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { error: Some(line), ..Self::default() }
    }
}

/// The file's content, by lane.
pub type Lanes = BTreeMap<String, Known>;

/// The names of a lane in the file: its own, and for a profile that is used only by name that of its test binary
/// (`three_nodes_kind`). `of_all` is the profile of the environment; a lane with that profile has its own name too.
pub fn names(lane: &str, profile: Option<&str>, of_all: Option<&str>) -> Vec<String> {
    let apart = profile.filter(|profile| !registry::is_default_profile(lane, profile));
    let apart = apart.map(|profile| registry::test_binary(lane, Some(profile)));
    let own = (apart.is_none() || profile == of_all).then(|| lane.to_owned());
    own.into_iter().chain(apart).collect()
}

/// The environment variable with what a set-up script found, for tests: one [`Known`] as JSON.
pub fn variable(lane: &str) -> String {
    format!("PLUMBLINE_LANE_{}", lane.to_ascii_uppercase().replace('-', "_"))
}

/// Where the file is.
///
/// # Errors
/// When there is no state folder.
pub fn path() -> Result<PathBuf, TestbedError> {
    Ok(folders::state()?.join("capabilities.json"))
}

/// Reads it; none when nothing was probed yet, or it is of another version.
pub fn read() -> Option<Lanes> {
    serde_json::from_slice(&std::fs::read(path().ok()?).ok()?).ok()
}

/// Opens a lane, reads what it offers, and closes it. Builds stay in the cache, a cluster stays up.
///
/// # Errors
/// [`TestbedError`] when the lane can't be opened, or leaves something behind.
pub async fn probe(cx: &Context, lane: &dyn Lane) -> Result<Known, TestbedError> {
    let opened = tokio::select! {
        opened = lane.open(cx) => opened,
        () = cx.cancel.cancelled() => Err(TestbedError::new("open lane", "interrupted")),
    };
    let (known, mut left) = match opened {
        Ok(open) => (Ok(Known::open(open.as_ref())), open.close().await),
        Err(error) => (Err(error), Vec::new()),
    };
    left.extend(session::close(cx).await);
    if known.is_ok() && !left.is_empty() {
        return Err(TestbedError::new("clean up", left.join("; ")).with_hint("plumbline gc"));
    }
    known
}

/// Notes one lane, by write and rename.
///
/// # Errors
/// When it can't be written.
pub fn note(lane: &str, known: &Known) -> Result<(), TestbedError> {
    let stage = "write the capability file";
    let path = path()?;
    let mut lanes = read().unwrap_or_default();
    lanes.insert(lane.to_owned(), known.clone());
    let part = path.with_extension(format!("part{}", std::process::id()));
    std::fs::write(&part, serde_json::to_vec_pretty(&lanes).at_stage(stage)?).at_stage(stage)?;
    std::fs::rename(&part, &path).at_stage(stage)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_profile_that_is_used_by_name_has_its_own_entry() {
        assert_eq!(names("kind", None, None), ["kind"]);
        assert_eq!(names("kind", Some("hermetic"), None), ["kind"]);
        assert_eq!(names("kind", Some("three-nodes"), None), ["three_nodes_kind"]);
        assert_eq!(names("kind", Some("three-nodes"), Some("hermetic")), ["three_nodes_kind"]);
        assert_eq!(names("kind", Some("three-nodes"), Some("three-nodes")), ["kind", "three_nodes_kind"]);
    }
}
