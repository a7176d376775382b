//! What would have to be done on this host, as text, before anything is done.

use super::host::HostState;
use super::settings::EngineSettings;
use crate::error::TestbedError;

/// How the engine is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonStart {
    /// As systemd's service `docker`.
    Service,
    /// `dockerd` by hand, in a session of its own.
    ByHand,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupPlan {
    /// Packages to install.
    pub packages: Vec<String>,
    /// How the engine is started.
    pub start: DaemonStart,
    /// Capabilities that our OCI runtime has to strip; empty where it is not wanted.
    pub lacking: Vec<String>,
    /// To how many inotify instances the limit is raised, from how many; none where it is enough. Left out without
    /// consent: a cluster of one node does without.
    pub inotify: Option<(u64, u64)>,
    /// Whether it may only be done with the user's consent. Starting again what we started before needs none.
    pub consent: bool,
}

impl SetupPlan {
    /// The plan in lines, fit for printing before it is carried out.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.packages.is_empty() {
            lines.push(format!("install packages of this host's distribution: {} (apt-get)", self.packages.join(" ")));
        }
        lines.push(match self.start {
            DaemonStart::Service => "start the service docker (systemctl)".to_owned(),
            DaemonStart::ByHand => "start dockerd in a session of its own; plumbline down --engine ends it".to_owned(),
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
/// [`TestbedError`] when it can't be done here: what is in the way, and how to fix it.
pub(super) fn plan_setup(host: &HostState, settings: &EngineSettings) -> Result<SetupPlan, TestbedError> {
    let refuse = |cause: String, hint: &str| {
        let cause = format!("no container engine answers at the usual place, and plumbline can't start one: {cause}");
        Err(TestbedError::new("engine", cause).with_hint(hint))
    };
    let mut packages = Vec::new();
    if !host.daemon {
        packages.extend(settings.packages.clone());
    } else if !host.client {
        packages.extend(settings.client_packages.clone());
    }
    if host.uid != 0 {
        let hint = "start your engine, or run as root (sudo plumbline up --yes); the netns lane needs no engine";
        return refuse(format!("root is needed, and this is user {}", host.uid), hint);
    }
    if !packages.is_empty() && !host.apt {
        let hint = "install Docker Engine 20.10 or later by hand and start it; the netns lane needs no engine";
        return refuse("dockerd is not installed, and there is no apt-get here".to_owned(), hint);
    }
    if !packages.is_empty() && host.free_mib < settings.disk.free_mib {
        let (path, wanted) = (settings.disk.path.display(), settings.disk.free_mib);
        let cause = format!("{path} has {} MiB free, and packages and images need {wanted} MiB", host.free_mib);
        return refuse(cause, "free some disk space");
    }
    // The service's own command line does not name our runtime.
    let start = if host.systemd && host.lacking.is_empty() { DaemonStart::Service } else { DaemonStart::ByHand };
    let consent = !packages.is_empty() || !host.ours_before;
    let inotify = host.inotify.filter(|allowed| *allowed < settings.inotify_instances);
    let inotify = inotify.map(|allowed| (allowed, settings.inotify_instances));
    Ok(SetupPlan { packages, start, inotify, lacking: host.lacking.clone(), consent })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings() -> EngineSettings {
        EngineSettings::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
    }

    fn bare() -> HostState {
        HostState { apt: true, free_mib: 100_000, ..HostState::default() }
    }

    #[test]
    fn a_bare_host_gets_packages_and_a_daemon_after_consent() {
        let lacking = vec!["CAP_SYS_RESOURCE".to_owned()];
        let plan = plan_setup(&HostState { lacking, ..bare() }, &settings()).unwrap();
        assert_eq!(
            (plan.packages.clone(), plan.start, plan.consent),
            (vec!["docker.io".to_owned()], DaemonStart::ByHand, true)
        );
        let lines = plan.lines();
        assert!(
            lines[0].ends_with("docker.io (apt-get)") && lines[2].ends_with("withholds CAP_SYS_RESOURCE"),
            "{lines:?}"
        );
    }

    #[test]
    fn an_engine_that_plumbline_started_is_started_again_without_consent() {
        let plan =
            plan_setup(&HostState { daemon: true, client: true, ours_before: true, ..bare() }, &settings()).unwrap();
        assert!(!plan.consent && plan.packages.is_empty() && plan.lacking.is_empty());
        let plan = plan_setup(&HostState { daemon: true, client: true, ..bare() }, &settings()).unwrap();
        assert!(plan.consent, "an engine that the user stopped is not started without asking");
    }

    #[test]
    fn a_low_limit_of_inotify_is_raised_and_a_high_one_stays() {
        let plan = |allowed| plan_setup(&HostState { inotify: Some(allowed), ..bare() }, &settings()).unwrap();
        assert!(
            plan(128).lines().contains(
                &"raise fs.inotify.max_user_instances from 128 to 512, until the next boot (sysctl)".to_owned()
            )
        );
        assert_eq!(plan(8192).inotify, None);
    }

    #[test]
    fn systemd_starts_its_own_service() {
        let plan = plan_setup(&HostState { daemon: true, client: true, systemd: true, ..bare() }, &settings()).unwrap();
        assert_eq!(plan.start, DaemonStart::Service);
    }

    #[test]
    fn an_obstacle_is_named_with_a_hint() {
        let cause = |host: HostState| {
            let error = plan_setup(&host, &settings()).unwrap_err();
            assert!(error.hint.is_some());
            error.cause()
        };
        assert!(cause(HostState { uid: 1000, ..bare() }).ends_with("root is needed, and this is user 1000"));
        assert!(cause(HostState { apt: false, ..bare() }).ends_with("there is no apt-get here"));
        assert!(cause(HostState { free_mib: 100, ..bare() }).contains("/var/lib has 100 MiB free"));
    }
}
