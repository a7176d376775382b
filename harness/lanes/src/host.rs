//! Capabilities, and checks of this host: each names what was checked, what was found, what is needed, and how to fix it.
//! No check changes anything.

use plumbline_core::plan::VIRTIO_ENI;
use plumbline_core::protocol::PROGRAM_NOT_STARTED;
use plumbline_testbed::error::TestbedError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The capabilities of a lane: each by name, with whether it is there and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Capabilities(pub BTreeMap<String, Capability>);

/// One capability, as a trial found it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Capability {
    /// Whether it is there.
    pub there: bool,
    /// What the probe found.
    pub seen: String,
}

impl Capabilities {
    /// Why a scenario is skipped: its first missing capability. None if all are there.
    pub fn lack(&self, needs: &[String]) -> Option<String> {
        needs.iter().find_map(|need| match self.0.get(need) {
            Some(offer) if offer.there => None,
            Some(offer) => Some(format!("needs {need}: {}", offer.seen)),
            None => Some(format!("needs {need}, which this lane does not probe")),
        })
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostCheck {
    /// What the check is for: `host`, or the name of a lane.
    pub scope: &'static str,
    /// The checked thing.
    pub probe: String,
    /// What was found.
    pub found: String,
    /// What is needed.
    pub needed: String,
    /// How to fix it, where that is known.
    #[serde(rename = "fix")]
    pub hint: Option<String>,
    /// Whether it is as needed.
    pub good: bool,
    /// Whether a lane opens without it.
    pub optional: bool,
}

impl HostCheck {
    /// A check with all its texts. An empty hint means no hint.
    pub fn new(
        scope: &'static str,
        probe: &str,
        good: bool,
        found: impl Into<String>,
        needed: &str,
        hint: &str,
    ) -> Self {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Self { scope, probe: probe.into(), found: found.into(), needed: needed.into(), hint, good, optional: false }
    }

    /// A check that succeeded.
    pub fn met(scope: &'static str, probe: &str, found: &str) -> Self {
        Self::new(scope, probe, true, found, "", "")
    }

    /// A check of something that can't be made or read.
    pub fn failed(scope: &'static str, probe: &str, error: &TestbedError) -> Self {
        let found = format!("{}: {}", error.stage, error.cause());
        Self::new(scope, probe, false, found, "no error", error.hint.as_deref().unwrap_or_default())
    }

    /// A capability of a lane. Scenarios that require a missing one are skipped.
    pub fn capability(scope: &'static str, name: &str, offer: &Capability, hint: &str) -> Self {
        let program = offer.seen.split_once(PROGRAM_NOT_STARTED).map(|(program, _)| program);
        let hint = match program {
            _ if offer.there => String::new(),
            // Debian's package of nft has another name.
            Some("nft") => "install nftables".to_owned(),
            Some(program) => format!("install {program}"),
            // No kernel module gives a host such interfaces.
            None if name == VIRTIO_ENI && !hint.is_empty() => "run with --lane vm".to_owned(),
            None => hint.to_owned(),
        };
        let needed = "only by scenarios that require it; they are skipped";
        Self::new(scope, name, offer.there, offer.seen.clone(), needed, &hint).optional()
    }

    /// Marks the check as optional: the lane opens without it.
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Whether a required thing is missing.
    pub fn is_lack(&self) -> bool {
        !self.good && !self.optional
    }
}

/// Checks free space in a folder. A warm cache needs no space, so the check is optional. A first build that runs out of
/// space reports that itself.
pub fn check_free_space(
    scope: &'static str,
    what: &str,
    folder: Result<PathBuf, TestbedError>,
    needed_mib: u64,
) -> HostCheck {
    let probe = format!("free space for {what}");
    let folder = match folder {
        Ok(folder) => folder,
        Err(error) => return HostCheck::failed(scope, &probe, &error),
    };
    let free = nix::sys::statvfs::statvfs(&folder).map(|s| s.blocks_available() * s.fragment_size() / (1024 * 1024));
    let found = match free {
        Ok(mib) => format!("{mib} MiB at {}", folder.display()),
        Err(errno) => format!("{}: {errno}", folder.display()),
    };
    let needed = format!("{needed_mib} MiB for a first build");
    let hint = "free some space, or set PLUMBLINE_CACHE to a folder on a larger disk";
    HostCheck::new(scope, &probe, free.is_ok_and(|mib| mib >= needed_mib), found, &needed, hint).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_capability_has_its_own_fix() {
        let fix = |name: &str, seen: &str| {
            let offer = Capability { there: false, seen: seen.to_owned() };
            HostCheck::capability("netns", name, &offer, "load the kernel module, or run with --lane vm").hint
        };
        let absent = |program: &str| format!("{program}{PROGRAM_NOT_STARTED}No such file or directory");
        assert_eq!(fix("ipvs", &absent("ipvsadm")).as_deref(), Some("install ipvsadm"));
        assert_eq!(fix("nftables-fib", &absent("nft")).as_deref(), Some("install nftables"));
        assert_eq!(fix(VIRTIO_ENI, "no pairs").as_deref(), Some("run with --lane vm"));
        let module = fix("dummy", "make link dummy-0: operation not supported");
        assert_eq!(module.as_deref(), Some("load the kernel module, or run with --lane vm"));
    }
}
