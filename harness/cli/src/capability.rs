//! The capability file: what each lane offered when it was last opened here. Written by `doctor` and `up`;
//! read when tests are listed, which must not probe.

use crate::registry;
use crate::session;
use plumbline_lanes::context::Context;
use plumbline_lanes::lane::{Capabilities, OpenLane};
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
    #[must_use]
    pub fn open(lane: &dyn OpenLane) -> Self {
        Self { profile: lane.profile(), offers: lane.offers().clone(), error: None }
    }

    /// Of a lane that could not be opened.
    #[must_use]
    pub fn testbed_error(error: &TestbedError) -> Self {
        let line = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { error: Some(line), ..Self::default() }
    }
}

/// The whole file, by lane.
pub type Lanes = BTreeMap<String, Known>;

/// The names under which a lane is noted: its own, and for a cluster profile that is never chosen unasked the one that the
/// test binary for it is called after (`three_nodes_kind`). Its own too where `of_all`, the profile that the environment
/// names for everything, is that one.
#[must_use]
pub fn names(lane: &str, profile: Option<&str>, of_all: Option<&str>) -> Vec<String> {
    let apart = profile.filter(|profile| !registry::is_default_profile(lane, profile));
    let apart = apart.map(|profile| registry::test_binary(lane, Some(profile)));
    let own = (apart.is_none() || profile == of_all).then(|| lane.to_owned());
    own.into_iter().chain(apart).collect()
}

/// The environment variable by which a set-up script tells tests what it found: one [`Known`] as JSON.
#[must_use]
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
#[must_use]
pub fn read() -> Option<Lanes> {
    serde_json::from_slice(&std::fs::read(path().ok()?).ok()?).ok()
}

/// Opens a lane, looks at what it offers, and closes it again: builds stay in the cache, a cluster stays up.
///
/// # Errors
/// [`TestbedError`] when the lane can't be opened, or leaves something behind.
pub async fn probe(cx: &Context, name: &str) -> Result<Known, TestbedError> {
    let lane = registry::find(name);
    let lane = lane.ok_or_else(|| TestbedError::new("select lane", format!("there is no lane {name:?}")))?;
    let opened = tokio::select! {
        opened = lane.open(cx) => opened,
        () = cx.cancel.cancelled() => Err(TestbedError::new("open lane", "interrupted")),
    };
    let known = match &opened {
        Ok(open) => Ok(Known::open(open.as_ref())),
        Err(error) => Err(error.clone()),
    };
    let mut left = match opened {
        Ok(open) => open.close().await,
        Err(_) => Vec::new(),
    };
    left.extend(session::close(cx).await);
    match known {
        Ok(_) if !left.is_empty() => Err(TestbedError::new("clean up", left.join("; ")).with_hint("plumbline gc")),
        other => other,
    }
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
    fn a_profile_that_is_asked_for_by_name_is_noted_apart_and_the_one_of_all_as_the_lane_too() {
        assert_eq!(names("kind", None, None), ["kind"]);
        assert_eq!(names("kind", Some("hermetic"), None), ["kind"]);
        assert_eq!(names("kind", Some("three-nodes"), None), ["three_nodes_kind"]);
        assert_eq!(names("kind", Some("three-nodes"), Some("hermetic")), ["three_nodes_kind"]);
        assert_eq!(names("kind", Some("three-nodes"), Some("three-nodes")), ["kind", "three_nodes_kind"]);
    }
}
