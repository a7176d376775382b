//! What would have to be done on this host, in words, before anything is done.

use super::pins::Pins;
use crate::error::TestbedError;

/// What was found on the host, as far as it decides what to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ground {
    /// The user's id.
    pub uid: u32,
    /// Whether `apt-get` is there.
    pub apt: bool,
    /// Whether `dockerd` is there.
    pub daemon: bool,
    /// Whether the `docker` command is there.
    pub client: bool,
    /// Whether systemd runs this host.
    pub systemd: bool,
    /// Capabilities that the kernel knows and this host withholds.
    pub lacking: Vec<String>,
    /// Free space where packages and images go, in MiB.
    pub free_mib: u64,
    /// How many inotify instances a user is allowed; none where the kernel does not tell.
    pub inotify: Option<u64>,
    /// Whether an engine that we started was running here before.
    pub ours_before: bool,
}

/// How the engine is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As systemd's service `docker`.
    Service,
    /// `dockerd` by hand, in a session of its own.
    ByHand,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Packages to install.
    pub packages: Vec<String>,
    /// How the engine is started.
    pub start: Start,
    /// Capabilities that our OCI runtime has to strip; empty where it is not wanted.
    pub lacking: Vec<String>,
    /// To how many inotify instances the limit is raised, from how many; none where it is enough. Left out without
    /// consent: a cluster of one node does without.
    pub inotify: Option<(u64, u64)>,
    /// Whether it may only be done with the user's consent. Starting again what we started before needs none.
    pub consent: bool,
}

impl Plan {
    /// The plan in lines, fit for printing before it is carried out.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.packages.is_empty() {
            lines.push(format!("install packages of this host's distribution: {} (apt-get)", self.packages.join(" ")));
        }
        lines.push(match self.start {
            Start::Service => "start the service docker (systemctl)".to_owned(),
            Start::ByHand => "start dockerd in a session of its own; plumbline down --engine ends it".to_owned(),
        });
        if let Some((from, to)) = self.inotify {
            lines
                .push(format!("raise fs.inotify.max_user_instances from {from} to {to}, until the next boot (sysctl)"));
        }
        if !self.lacking.is_empty() {
            lines.push(format!("with an OCI runtime of ours, since this host withholds {}", self.lacking.join(" ")));
        }
        lines
    }
}

/// Decides what to do where nothing answers at the usual place.
///
/// # Errors
/// [`TestbedError`] when it can't be done here: what is in the way, and what to do.
pub(super) fn decide(ground: &Ground, pins: &Pins) -> Result<Plan, TestbedError> {
    let refuse = |cause: String, hint: &str| {
        let cause =
            format!("no container engine answers at the usual place, and plumbline can't get one going: {cause}");
        Err(TestbedError::new("engine", cause).with_hint(hint))
    };
    let mut packages = Vec::new();
    if !ground.daemon {
        packages.extend(pins.packages.clone());
    } else if !ground.client {
        packages.extend(pins.client_packages.clone());
    }
    if ground.uid != 0 {
        let hint = "start your engine, or run as root (sudo plumbline up --yes); the netns lane needs no engine";
        return refuse(format!("that takes root, and this is user {}", ground.uid), hint);
    }
    if !packages.is_empty() && !ground.apt {
        let hint = "install Docker Engine 20.10 or later by hand and start it; the netns lane needs no engine";
        return refuse("dockerd is not installed, and there is no apt-get here".to_owned(), hint);
    }
    if !packages.is_empty() && ground.free_mib < pins.disk.free_mib {
        let (path, wanted) = (pins.disk.path.display(), pins.disk.free_mib);
        let cause =
            format!("{path} has {} MiB free, and packages and images want {wanted} MiB at least", ground.free_mib);
        return refuse(cause, "free some disk space");
    }
    // The service's own command line knows nothing of our runtime.
    let start = if ground.systemd && ground.lacking.is_empty() { Start::Service } else { Start::ByHand };
    let consent = !packages.is_empty() || !ground.ours_before;
    let inotify = ground.inotify.filter(|allowed| *allowed < pins.inotify_instances);
    let inotify = inotify.map(|allowed| (allowed, pins.inotify_instances));
    Ok(Plan { packages, start, inotify, lacking: ground.lacking.clone(), consent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn pins() -> Pins {
        Pins::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
    }

    fn bare() -> Ground {
        Ground { apt: true, free_mib: 100_000, ..Ground::default() }
    }

    #[test]
    fn a_bare_host_gets_packages_and_a_daemon_and_is_asked_first() {
        let lacking = vec!["CAP_SYS_RESOURCE".to_owned()];
        let plan = decide(&Ground { lacking, ..bare() }, &pins()).unwrap();
        assert_eq!(
            (plan.packages.clone(), plan.start, plan.consent),
            (vec!["docker.io".to_owned()], Start::ByHand, true)
        );
        let lines = plan.lines();
        assert!(
            lines[0].ends_with("docker.io (apt-get)") && lines[2].ends_with("withholds CAP_SYS_RESOURCE"),
            "{lines:?}"
        );
    }

    #[test]
    fn an_engine_of_ours_that_died_is_started_again_without_asking() {
        let plan = decide(&Ground { daemon: true, client: true, ours_before: true, ..bare() }, &pins()).unwrap();
        assert!(!plan.consent && plan.packages.is_empty() && plan.lacking.is_empty());
        let plan = decide(&Ground { daemon: true, client: true, ..bare() }, &pins()).unwrap();
        assert!(plan.consent, "somebody else's engine that was stopped is not started without asking");
    }

    #[test]
    fn a_low_limit_of_inotify_is_told_and_a_high_one_left_alone() {
        let plan = |allowed| decide(&Ground { inotify: Some(allowed), ..bare() }, &pins()).unwrap();
        assert!(
            plan(128).lines().contains(
                &"raise fs.inotify.max_user_instances from 128 to 512, until the next boot (sysctl)".to_owned()
            )
        );
        assert_eq!(plan(8192).inotify, None);
    }

    #[test]
    fn systemd_starts_its_own_service() {
        let plan = decide(&Ground { daemon: true, client: true, systemd: true, ..bare() }, &pins()).unwrap();
        assert_eq!(plan.start, Start::Service);
    }

    #[test]
    fn what_is_in_the_way_is_said_with_a_way_out() {
        let cause = |ground: Ground| {
            let error = decide(&ground, &pins()).unwrap_err();
            assert!(error.hint.is_some());
            error.cause()
        };
        assert!(cause(Ground { uid: 1000, ..bare() }).ends_with("that takes root, and this is user 1000"));
        assert!(cause(Ground { apt: false, ..bare() }).ends_with("there is no apt-get here"));
        assert!(cause(Ground { free_mib: 100, ..bare() }).contains("/var/lib has 100 MiB free"));
    }
}
