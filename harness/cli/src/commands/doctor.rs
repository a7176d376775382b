//! `plumbline doctor`: what this host can do: found, needed, fix. Writes the capability file.

use super::{find_lane, find_root, reporters};
use crate::args::{DoctorArgs, MessageFormat};
use plumbline::capability::{self, Known};
use plumbline::{exit, registry, session};
use plumbline_lanes::context::Options;
use plumbline_lanes::host::{HostCheck, check_free_space};
use plumbline_report::escape;
use plumbline_report::paint::{BAD, DOUBT, GOOD, paint};
use plumbline_testbed::folders;
use std::io::Write as _;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// The check that a lane can be opened.
const OPENED: &str = "node";

/// Free space that the agent and the plugins take, in MiB.
const PLUGINS_MIB: u64 = 3 * 1024;

/// Checks the host for the requested lanes. Opens a lane if that is cheap, or if the user named it. Makes no cluster.
pub async fn run(args: &DoctorArgs) -> anyhow::Result<u8> {
    let root = find_root()?;
    args.lane.iter().try_for_each(|name| find_lane(name).map(drop))?;
    let (reporters, events) = reporters::progress();
    let mut checks = check_host(&root);
    for lane in registry::LANES {
        let name = lane.name();
        if !args.lane.is_empty() && args.lane.iter().all(|requested| requested != name) {
            continue;
        }
        let cx = session::context(&root, Options::default(), events.clone(), CancellationToken::new(), "doctor")?;
        let report = lane.check_host(&cx, !args.lane.is_empty()).await?;
        checks.extend(report.checks);
        if report.can_open {
            let known = match lane.open(&cx).await {
                Ok(open) => {
                    let known = Known::open(open.as_ref());
                    open.close().await;
                    checks.push(HostCheck::met(name, OPENED, "created and removed"));
                    known
                }
                Err(error) => {
                    checks.push(HostCheck::failed(name, OPENED, &error));
                    Known::testbed_error(&error)
                }
            };
            let hint = lane.capability_hint();
            checks.extend(known.offers.0.iter().map(|(one, offer)| HostCheck::capability(name, one, offer, hint)));
            capability::note(name, &known)?;
        }
        session::close(&cx).await;
    }
    reporters.finish()?;
    print(&checks, args.output)?;
    Ok(if checks.iter().any(HostCheck::is_lack) { exit::ERROR } else { exit::PASS })
}

fn print(lines: &[HostCheck], output: MessageFormat) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    for line in lines {
        match output {
            MessageFormat::Json => writeln!(out, "{}", serde_json::to_string(line)?)?,
            MessageFormat::Human => {
                let (style, word) = match (line.good, line.optional) {
                    (true, _) => (GOOD, "ok    "),
                    (false, true) => (DOUBT, "absent"),
                    (false, false) => (BAD, "LACK  "),
                };
                write!(out, "{}  {:6} {}: {}", paint(style, word), line.scope, line.probe, escape::line(&line.found))?;
                if !line.good {
                    write!(out, "; needed: {}", line.needed)?;
                    if let Some(hint) = &line.hint {
                        write!(out, "; fix: {}", escape::line(hint))?;
                    }
                }
                writeln!(out)?;
            }
        }
    }
    Ok(())
}

/// Checks what every lane needs.
fn check_host(root: &Path) -> Vec<HostCheck> {
    vec![
        HostCheck::new(
            "host",
            "system",
            std::env::consts::OS == "linux" && matches!(std::env::consts::ARCH, "x86_64" | "aarch64"),
            format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "linux on x86_64 (aarch64 is expected to work)",
            "use a Linux machine, a virtual machine or a container with the right to make namespaces",
        ),
        program("cargo", "to build the agent", "install Rust with rustup (https://rustup.rs)"),
        program("go", "to build the CNI plugins and kind", "install Go 1.24 or later (https://go.dev/dl)"),
        HostCheck::met("host", "checkout", &root.display().to_string()),
        check_free_space("host", "the cache", folders::cache(), PLUGINS_MIB),
    ]
}

fn program(name: &str, needed: &str, hint: &str) -> HostCheck {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    let check = HostCheck::new(
        "host",
        name,
        found.is_some(),
        found.map_or_else(|| "not in PATH".to_owned(), |file| file.display().to_string()),
        needed,
        hint,
    );
    // The cache may have everything that it would build.
    check.optional()
}
