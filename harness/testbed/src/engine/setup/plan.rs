//! The plan of the set-up on this host, as text, before any change.

use super::host::HostState;
use super::settings::EngineSettings;
use crate::error::TestbedError;

/// How the engine is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonStart {
    /// As systemd's service `docker`.
    Service,
    /// `dockerd` without a service manager, in a separate session.
    ByHand,
}

/// The plan of the set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupPlan {
    /// Packages to install.
    pub packages: Vec<String>,
    /// How the engine is started.
    pub start: DaemonStart,
    /// Capabilities that Plumbline's OCI runtime must remove; empty if it is not needed.
    pub lacking: Vec<String>,
    /// The current and the new limit of inotify instances; none if the limit is high enough. It is not raised without
    /// consent, because a one-node cluster works without it.
    pub inotify: Option<(u64, u64)>,
    /// Whether the plan needs the user's consent. Restarting an engine that Plumbline started needs none.
    pub consent: bool,
}

impl SetupPlan {
    /// The plan in lines, for printing before it is carried out.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.packages.is_empty() {
            lines.push(format!("install packages of this host's distribution: {} (apt-get)", self.packages.join(" ")));
        }
        lines.push(match self.start {
            DaemonStart::Service => "start the service docker (systemctl)".to_owned(),
            DaemonStart::ByHand => "start dockerd in a separate session; plumbline down --engine stops it".to_owned(),
        });
        if let Some((from, to)) = self.inotify {
            lines
                .push(format!("raise fs.inotify.max_user_instances from {from} to {to}, until the next boot (sysctl)"));
        }
        if !self.lacking.is_empty() {
            lines.push(format!("use plumbline's OCI runtime, because this host lacks {}", self.lacking.join(" ")));
        }
        lines
    }
}

/// Decides what to do if no engine answers at the usual place.
///
/// # Errors
/// [`TestbedError`] when it can't be done here, with the obstacle and a hint.
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
        return refuse(format!("expected root, found user {}", host.uid), hint);
    }
    if !packages.is_empty() && !host.apt {
        let hint = "install Docker Engine 20.10 or later by hand and start it; the netns lane needs no engine";
        return refuse("dockerd is not installed, and this host has no apt-get".to_owned(), hint);
    }
    if !packages.is_empty() && host.free_mib < settings.disk.free_mib {
        let (path, wanted) = (settings.disk.path.display(), settings.disk.free_mib);
        let cause = format!("{path} has {} MiB free, but packages and images need {wanted} MiB", host.free_mib);
        return refuse(cause, "free some disk space");
    }
    // The service's command line does not contain Plumbline's runtime.
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
        assert!(lines[0].ends_with("docker.io (apt-get)") && lines[2].ends_with("lacks CAP_SYS_RESOURCE"), "{lines:?}");
    }

    #[test]
    fn an_engine_that_plumbline_started_is_started_again_without_consent() {
        let plan =
            plan_setup(&HostState { daemon: true, client: true, ours_before: true, ..bare() }, &settings()).unwrap();
        assert!(!plan.consent && plan.packages.is_empty() && plan.lacking.is_empty());
        let plan = plan_setup(&HostState { daemon: true, client: true, ..bare() }, &settings()).unwrap();
        assert!(plan.consent, "an engine that the user stopped is not started without consent");
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
    fn the_plan_on_a_host_with_systemd_uses_the_service() {
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
        assert!(cause(HostState { uid: 1000, ..bare() }).ends_with("expected root, found user 1000"));
        assert!(cause(HostState { apt: false, ..bare() }).ends_with("this host has no apt-get"));
        assert!(cause(HostState { free_mib: 100, ..bare() }).contains("/var/lib has 100 MiB free"));
    }
}
