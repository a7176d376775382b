//! Starts and stops the engine's daemon.

use super::record::{EngineRecord, folder};
use crate::engine::{Endpoint, Engine};
use crate::error::{AtStage, TestbedError};
use crate::exec::{Cmd, detach};
use crate::journal::{self, start_time};
use crate::packages::{self, Note};
use crate::wait::{Deadline, Look, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STAGE: &str = "start the engine";
/// The pause between two checks whether it answers. A socket that does not exist yet cannot be watched.
const LOOK: Duration = Duration::from_millis(100);
/// The limit for a running daemon to answer.
const SETTLE: Duration = Duration::from_secs(20);

/// The endpoint, the pid files and further arguments of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonPlace {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The pid file of dockerd.
    pub pidfile: PathBuf,
    /// The pid file of its containerd.
    pub containerd_pidfile: PathBuf,
    /// Further arguments of dockerd.
    pub args: Vec<String>,
}

impl DaemonPlace {
    /// The usual engine, with dockerd's own defaults.
    pub fn usual() -> Self {
        Self {
            endpoint: Endpoint::usual(),
            pidfile: "/var/run/docker.pid".into(),
            containerd_pidfile: "/var/run/docker/containerd/containerd.pid".into(),
            args: vec![],
        }
    }

    /// A private engine below `folder`, for tests of the set-up itself. It changes neither the usual engine nor the host's links
    /// and firewall. Its containers have no network.
    pub fn private(folder: &Path) -> Self {
        let under = |name: &str| folder.join(name).display().to_string();
        let host = format!("unix://{}", under("docker.sock"));
        let mut args = vec!["--host".to_owned(), host.clone(), "--pidfile".to_owned(), under("docker.pid")];
        args.extend(["--data-root".to_owned(), under("data"), "--exec-root".to_owned(), under("exec")]);
        args.extend(["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"].map(str::to_owned));
        let endpoint = Endpoint { host, why: "a private engine".to_owned() };
        let containerd_pidfile = folder.join("exec/containerd/containerd.pid");
        Self { endpoint, pidfile: folder.join("docker.pid"), containerd_pidfile, args }
    }
}

/// Waits for a running daemon that does not answer yet. If no daemon runs, removes the pid files of a dead one, because
/// dockerd would rely on them.
pub(super) async fn settle(place: &DaemonPlace) -> Result<Option<Engine>, TestbedError> {
    let Some(pid) = read_noted_pid(&place.pidfile, "dockerd") else {
        remove_notes(place).await?;
        return Ok(None);
    };
    let what = format!("dockerd (process {pid}) to answer at {}", place.endpoint.host);
    let waited = until(STAGE, &what, Deadline::after(SETTLE), LOOK, async || {
        Ok(match Engine::connect_to(place.endpoint.clone()).await {
            Ok(engine) => Look::There(Some(engine)),
            Err(_) if start_time(pid).is_none() => Look::There(None),
            Err(fault) => Look::NotYet(fault.cause()),
        })
    });
    let engine = waited.await.map_err(|b| b.with_hint(format!("find out why it hangs, or end it: kill {pid}")))?;
    if engine.is_none() {
        remove_notes(place).await?;
    }
    Ok(engine)
}

/// Removes the pid files of a dockerd that has ended. Its containerd ends shortly after it. dockerd 20.10 treats a dying
/// containerd, its zombie, or another process with its id as usable, and then waits for it without success ("containerd is
/// still running", "timeout waiting for containerd to start").
async fn remove_notes(place: &DaemonPlace) -> Result<(), TestbedError> {
    if let Some(pid) = read_noted_pid(&place.containerd_pidfile, "containerd") {
        let what = format!("containerd (process {pid}) of the dead engine to end");
        let gone =
            async || Ok(if start_time(pid).is_none() { Look::There(()) } else { Look::NotYet("it runs".to_owned()) });
        until(STAGE, &what, Deadline::after(SETTLE), LOOK, gone)
            .await
            .map_err(|b| b.with_hint(format!("kill {pid}")))?;
    }
    [&place.pidfile, &place.containerd_pidfile].into_iter().try_for_each(|note| journal::remove_file(note))
}

/// Whether a process other than the recorded dockerd listens at the socket. A socket file without a listener remains from a
/// dead engine. dockerd removes it, and would remove a foreign one too.
pub(super) fn is_foreign(place: &DaemonPlace) -> bool {
    let listens = place.endpoint.socket().is_some_and(|socket| UnixStream::connect(socket).is_ok());
    listens && read_noted_pid(&place.pidfile, "dockerd").is_none()
}

/// The process in a pid file, if it is alive and has this name.
fn read_noted_pid(file: &Path, name: &str) -> Option<u32> {
    let pid = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    start_time(pid)?;
    (std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim() == name).then_some(pid)
}

/// Starts dockerd without a service manager and waits until it answers. `runtime` is Plumbline's OCI runtime and its name in
/// the engine, if it is needed.
pub(super) async fn start(
    place: &DaemonPlace,
    runtime: Option<(&str, &Path)>,
    state: &Path,
    deadline: Duration,
) -> Result<(Engine, EngineRecord), TestbedError> {
    let home = folder(state);
    std::fs::create_dir_all(&home).at_stage(&format!("make folder {}", home.display()))?;
    let log = home.join("dockerd.log");
    let file = OpenOptions::new().create(true).append(true).open(&log).at_stage(&format!("open {}", log.display()))?;
    let from = file.metadata().map(|meta| meta.len()).unwrap_or_default();
    let mut argv = vec!["dockerd".to_owned()];
    argv.extend(place.args.iter().cloned());
    if let Some((name, path)) = runtime {
        let path = keep_runtime(path, &home)?;
        argv.extend(["--add-runtime".to_owned(), format!("{name}={}", path.display())]);
        argv.extend(["--default-runtime".to_owned(), name.to_owned()]);
    }
    let pid =
        detach(&argv, &[("PATH".to_owned(), packages::path())], &file).map_err(|error| error.testbed_error(STAGE))?;
    // Written immediately, so that the engine is recognized as Plumbline's even if this process is killed now.
    let start = start_time(pid).unwrap_or_default();
    let record = EngineRecord { host: place.endpoint.host.clone(), pid, start, log: log.clone(), packages: vec![] };
    record.write(state)?;
    let what = format!("dockerd (process {pid}) to answer at {}", place.endpoint.host);
    let engine = until(STAGE, &what, Deadline::after(deadline), LOOK, async || {
        if start_time(pid).is_none() {
            return Err(explain_death(&argv.join(" "), &log, from));
        }
        look_for_engine(place).await
    });
    Ok((engine.await?, record))
}

/// Starts systemd's service and waits until it answers.
pub(super) async fn start_service(
    place: &DaemonPlace,
    deadline: Duration,
    note: &Note,
) -> Result<Engine, TestbedError> {
    note("systemctl start docker");
    let started = Cmd::new("systemctl").args(["start", "docker"]).deadline(deadline).run_ok().await;
    started.map_err(|error| error.testbed_error(STAGE).with_hint("see journalctl -u docker"))?;
    let what = format!("the service docker to answer at {}", place.endpoint.host);
    until(STAGE, &what, Deadline::after(deadline), LOOK, async || look_for_engine(place).await).await
}

async fn look_for_engine(place: &DaemonPlace) -> Result<Look<Engine>, TestbedError> {
    let connected = Engine::connect_to(place.endpoint.clone()).await;
    Ok(connected.map_or_else(|fault| Look::NotYet(fault.cause()), Look::There))
}

/// Stops an engine that Plumbline started: SIGTERM, then waits until it and its containerd have ended.
pub(super) async fn stop(place: &DaemonPlace, record: &EngineRecord, deadline: Duration) -> Result<(), TestbedError> {
    let stage = "stop the engine";
    let Ok(pid) = i32::try_from(record.pid) else { return Ok(()) };
    if !record.alive() {
        return Ok(());
    }
    kill(Pid::from_raw(pid), Signal::SIGTERM).at_stage(stage)?;
    let what = format!("dockerd (process {pid}) to end");
    until(stage, &what, Deadline::after(deadline), LOOK, async || {
        Ok(if record.alive() { Look::NotYet("it still runs".to_owned()) } else { Look::There(()) })
    })
    .await
    .map_err(|fault| fault.with_hint(format!("see its log {}", record.log.display())))?;
    remove_notes(place).await
}

/// Copies the runtime beside the record, because the engine starts it for every container, even after the cache is deleted.
fn keep_runtime(from: &Path, home: &Path) -> Result<PathBuf, TestbedError> {
    let path = home.join("plumbline-runtime");
    let beside = home.join("plumbline-runtime.new");
    let stage = format!("install {}", path.display());
    std::fs::copy(from, &beside).at_stage(&stage)?;
    std::fs::rename(&beside, &path).at_stage(&stage)?;
    Ok(path)
}

/// The error for an engine that ended before it answered: its last output since `from`, and a hint.
fn explain_death(line: &str, log: &Path, from: u64) -> TestbedError {
    let printed = read_log_from(log, from);
    let lines: Vec<&str> = printed.lines().collect();
    let tail = lines[lines.len().saturating_sub(8)..].join(" | ");
    let has = |part: &str| printed.contains(part);
    let hint = if has("no space left on device") {
        "free some disk space".to_owned()
    } else if has("address already in use") || has("can't create unix socket") {
        "another program uses the engine's socket or port: ss -lxtnp shows which".to_owned()
    } else if has("iptables") || has("nf_tables") {
        "this kernel or its rights don't allow the engine's firewall rules; see the log".to_owned()
    } else if has("cgroup") || has("Devices cgroup isn't mounted") {
        "this host has no mounted cgroups: install cgroupfs-mount, or mount them".to_owned()
    } else if has("configuration file") {
        "see /etc/docker/daemon.json: it contradicts the command line above".to_owned()
    } else {
        format!("see {}", log.display())
    };
    TestbedError::new(STAGE, format!("`{line}` ended before it answered: {tail}")).with_hint(hint)
}

fn read_log_from(log: &Path, from: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.take(1 << 20).read_to_end(&mut bytes)
    });
    drop(read);
    String::from_utf8_lossy(&bytes).into_owned()
}
