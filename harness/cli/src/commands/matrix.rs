//! `plumbline matrix`: the jobs of continuous integration, one for each lane and, where a lane has them, cluster profile.

use super::find_root;
use crate::args::MatrixArgs;
use anyhow::Context as _;
use plumbline::{exit, registry};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Job {
    lane: String,
    /// Empty for a lane without cluster profiles.
    profile: String,
}

/// What the matrix needs of a cluster profile.
#[derive(Deserialize)]
struct Profile {
    tried: bool,
}

/// Prints the matrix as GitHub Actions reads it.
pub fn run(args: &MatrixArgs) -> anyhow::Result<u8> {
    let matrix = serde_json::json!({ "include": list_jobs(&find_root()?, args.small)? });
    writeln!(anstream::stdout(), "{matrix}")?;
    Ok(exit::PASS)
}

/// The jobs in the registry's order, with every profile that has been run somewhere; a small matrix has one for each lane.
fn list_jobs(root: &Path, small: bool) -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for lane in registry::LANES {
        let job = |profile: String| Job { lane: lane.name().to_owned(), profile };
        let named = lane.named_profiles(root);
        let all: Vec<&str> = lane.default_profiles().iter().copied().chain(named.iter().map(String::as_str)).collect();
        let mut profiles = Vec::new();
        for name in &all {
            if is_tried(root, name)? {
                profiles.push((*name).to_owned());
            }
        }
        if all.is_empty() {
            jobs.push(job(String::new()));
        }
        profiles.truncate(if small { 1 } else { profiles.len() });
        jobs.extend(profiles.into_iter().map(job));
    }
    Ok(jobs)
}

/// Whether a profile's file says that it has been run.
fn is_tried(root: &Path, profile: &str) -> anyhow::Result<bool> {
    let path = root.join("clusters").join(profile).join("profile.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let profile: Profile = serde_yaml::from_str(&text).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(profile.tried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline::root;

    #[test]
    fn every_lane_and_every_profile_has_a_job() {
        let root = root::find().unwrap();
        let jobs = list_jobs(&root, false).unwrap();
        for (lane, profile) in registry::test_matrix(&root) {
            let is_its = |job: &&Job| job.lane == lane && profile.as_ref().is_none_or(|name| job.profile == *name);
            assert!(jobs.iter().any(|job| is_its(&job)), "{lane} {profile:?}");
        }
        assert!(jobs.iter().all(|job| job.profile.is_empty() != registry::has_profiles(&job.lane)));
    }

    #[test]
    fn the_small_matrix_has_each_lane_once() {
        let jobs = list_jobs(&root::find().unwrap(), true).unwrap();
        let lanes: Vec<&str> = jobs.iter().map(|job| job.lane.as_str()).collect();
        assert_eq!(lanes, registry::names());
    }
}
