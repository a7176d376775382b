//! Probes of the host, each with what was found, what is needed, and how to mend it. Nothing is changed.

use plumbline_core::protocol::{HostProbe, Probed};
use plumbline_lanes::context::Context;
use plumbline_lanes::lane::Offer;
use plumbline_lanes::vm::emulator;
use plumbline_lanes::vm::settings::Settings;
use plumbline_testbed::engine::setup::{Needed, Setup};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::exec::Cmd;
use plumbline_testbed::folders;
use plumbline_testbed::images::{Images, State};
use serde::Serialize;
use std::path::Path;

/// Free space that building a node image and running a cluster of it takes, in MiB: 14 GiB of sources and build
/// products of Kubernetes, 5 GiB of images.
const CLUSTER_MIB: u64 = 19 * 1024;
/// Free space that the agent and the plugins take, in MiB.
const PLUGINS_MIB: u64 = 3 * 1024;
/// What kind's documentation names for inotify ("known issues: pod errors due to too many open files").
const INSTANCES: u64 = 512;

/// One probe.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What it is for: `host`, `netns`, `kind`.
    pub scope: &'static str,
    /// What was looked at.
    pub probe: String,
    /// What was found.
    pub found: String,
    /// What is needed.
    pub needed: String,
    /// How to mend it, where that is known.
    pub mend: Option<String>,
    /// Whether it is as needed.
    pub good: bool,
    /// Whether only some scenarios need it: a Skip there, not a lack here.
    pub optional: bool,
}

impl Line {
    fn new(scope: &'static str, probe: &str, good: bool, found: impl Into<String>, needed: &str, mend: &str) -> Self {
        let mend = (!mend.is_empty()).then(|| mend.to_owned());
        Self { scope, probe: probe.into(), found: found.into(), needed: needed.into(), mend, good, optional: false }
    }

    /// Something that is as needed.
    #[must_use]
    pub fn there(scope: &'static str, probe: &str, found: &str) -> Self {
        Self::new(scope, probe, true, found, "", "")
    }

    /// Something that could not be had.
    #[must_use]
    pub fn testbed_error(scope: &'static str, probe: &str, error: &TestbedError) -> Self {
        let found = format!("{}: {}", error.stage, error.cause());
        Self::new(scope, probe, false, found, "that it can be made", error.hint.as_deref().unwrap_or_default())
    }

    /// A capability of a lane: its lack makes some scenarios skip.
    #[must_use]
    pub fn offer(scope: &'static str, name: &str, offer: &Offer) -> Self {
        // How `probe/rules.rs` of the agent says it.
        let program = offer.seen.split_once(" can't be started on the node").map(|(program, _)| program);
        let mend = match program {
            _ if offer.there => String::new(),
            Some(program) => format!("install {program}"),
            None if scope == "vm" => String::new(),
            None => "a kernel with its module; --lane vm brings one".to_owned(),
        };
        let needed = "only by scenarios that require it; they are skipped";
        let mut line = Self::new(scope, name, offer.there, offer.seen.clone(), needed, &mend);
        line.optional = true;
        line
    }

    /// Whether something is missing that a lane can't do without.
    #[must_use]
    pub fn is_lack(&self) -> bool {
        !self.good && !self.optional
    }
}

/// What every lane needs.
#[must_use]
pub fn host(root: &Path) -> Vec<Line> {
    let mut lines = vec![
        Line::new(
            "host",
            "system",
            std::env::consts::OS == "linux" && matches!(std::env::consts::ARCH, "x86_64" | "aarch64"),
            format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "linux on x86_64 (aarch64 is expected to work)",
            "use a Linux machine, a virtual machine or a container with the right to make namespaces",
        ),
        program("cargo", "to build the agent", "install Rust with rustup (https://rustup.rs)"),
        program("go", "to build the CNI plugins and kind", "install Go 1.24 or later (https://go.dev/dl)"),
        Line::there("host", "checkout", &root.display().to_string()),
    ];
    lines.push(space("host", "the cache", folders::cache(), PLUGINS_MIB));
    lines
}

/// The ways to a private node, root's and an ordinary user's, each tried by the agent itself (`probe-host`). One is
/// enough.
pub async fn ways(cx: &Context) -> Vec<Line> {
    let tried = async {
        let agent = cx.images.agent().await?;
        let done =
            Cmd::new(agent).arg("probe-host").run().await.map_err(|error| error.testbed_error("probe the host"))?;
        // Its exit code says whether any way works; what it printed says which.
        serde_json::from_str::<HostProbe>(&done.stdout).at_stage("read what the agent's probe-host printed")
    };
    let probe = match tried.await {
        Ok(probe) => probe,
        Err(fault) => return vec![Line::testbed_error("netns", "ways to a private node", &fault)],
    };
    let any = probe.rungs.values().any(|rung| rung.there);
    let line = |(name, rung): (&String, &Probed)| {
        let (probe, needed) = (format!("way to a private node as {name}"), "one way that works");
        let mut line = Line::new("netns", &probe, rung.there, rung.seen.clone(), needed, "");
        line.optional = any;
        line
    };
    probe.rungs.iter().map(line).collect()
}

/// What the kind lane needs beside that. No cluster is made.
pub async fn cluster_host(root: &Path) -> Vec<Line> {
    let mut lines = vec![engine(root).await];
    lines.push(space("kind", "the cache", folders::cache(), CLUSTER_MIB));
    let instances = number("/proc/sys/fs/inotify/max_user_instances");
    let enough = instances.is_some_and(|n| n >= 128);
    let mut line = Line::new(
        "kind",
        "inotify instances",
        enough,
        instances.map_or_else(|| "not to be read".to_owned(), |n| n.to_string()),
        "128 for one node, 512 advised",
        &format!("sysctl -w fs.inotify.max_user_instances={INSTANCES}"),
    );
    line.optional = true;
    lines.push(line);
    let memory = memory_mib();
    lines.push(Line::new(
        "kind",
        "memory to be had",
        memory.is_some_and(|mib| mib >= 2048),
        memory.map_or_else(|| "not to be read".to_owned(), |mib| format!("{mib} MiB")),
        "2048 MiB",
        "end other programs, or give the machine more memory",
    ));
    lines
}

/// What the vm lane needs beside that. Gives whether it can be opened; `cheaply`: only if nothing has to be built first.
///
/// # Errors
/// [`TestbedError`] when a recipe does not read.
pub fn machine_host(root: &Path, images: &Images, cheaply: bool, lines: &mut Vec<Line>) -> Result<bool, TestbedError> {
    let settings = Settings::read(root)?;
    let wanted = match settings.emulator() {
        Ok(wanted) => wanted,
        Err(fault) => {
            let mut line = Line::testbed_error("vm", "an emulator", &fault);
            line.optional = true;
            lines.push(line);
            return Ok(false);
        }
    };
    let found = emulator::installed(wanted);
    let mend = emulator::cure(wanted).map_or_else(
        || format!("install {}", wanted.packages.join(" ")),
        |cure| format!("plumbline up --lane vm --yes, which will {cure}"),
    );
    let text = found.as_ref().map_or_else(|| "not installed".to_owned(), |path| path.display().to_string());
    let mut line = Line::new("vm", &wanted.program, found.is_some(), text, "to run the guest", &mend);
    line.optional = true;
    lines.push(line);
    if found.is_none() {
        return Ok(false);
    }
    let built = images.list()?.iter().any(|part| part.name == "vm/guest" && part.state == State::Built);
    if !built && cheaply {
        let mend = "plumbline up --lane vm builds it, in some minutes";
        let mut line = Line::new("vm", "the guest's system", false, "not built yet", "to boot it", mend);
        line.optional = true;
        lines.push(line);
    }
    Ok(built || !cheaply)
}

async fn engine(root: &Path) -> Line {
    let setup = match Setup::new(root, |_| {}) {
        Ok(setup) => setup,
        Err(fault) => return Line::testbed_error("kind", "container engine", &fault),
    };
    match setup.needed().await {
        Ok(Needed::Nothing(engine)) => {
            let at = engine.endpoint().host.clone();
            let found = match engine.info().await {
                Ok(info) => format!("{} at {at}, storage {}", info.version, info.storage),
                Err(_) => format!("answers at {at}"),
            };
            Line::there("kind", "container engine", &found)
        }
        Ok(Needed::Plan(plan)) => {
            let found = format!("none answers; plumbline can: {}", plan.lines().join("; "));
            Line::new(
                "kind",
                "container engine",
                false,
                found,
                "one that answers",
                "plumbline up --yes, or start one yourself",
            )
        }
        Err(fault) => Line::testbed_error("kind", "container engine", &fault),
    }
}

fn program(name: &str, needed: &str, mend: &str) -> Line {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    let mut line = Line::new(
        "host",
        name,
        found.is_some(),
        found.map_or_else(|| "not in PATH".to_owned(), |file| file.display().to_string()),
        needed,
        mend,
    );
    // What is built already is used from the cache.
    line.optional = true;
    line
}

fn space(scope: &'static str, what: &str, folder: Result<std::path::PathBuf, TestbedError>, needed_mib: u64) -> Line {
    let probe = format!("free space for {what}");
    let folder = match folder {
        Ok(folder) => folder,
        Err(fault) => return Line::testbed_error(scope, &probe, &fault),
    };
    let free = nix::sys::statvfs::statvfs(&folder).map(|s| s.blocks_available() * s.fragment_size() / (1024 * 1024));
    let found = match free {
        Ok(mib) => format!("{mib} MiB at {}", folder.display()),
        Err(errno) => format!("{}: {errno}", folder.display()),
    };
    let good = free.is_ok_and(|mib| mib >= needed_mib);
    let mut line = Line::new(
        scope,
        &probe,
        good,
        found,
        &format!("{needed_mib} MiB for a first build"),
        "free some, or set PLUMBLINE_CACHE to a folder on a larger disk",
    );
    // A warm cache needs no more space: a first build that runs out says so itself.
    line.optional = true;
    line
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn memory_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}
