//! `plumbline doctor`: what this host can do, each line with what was found, what is needed, and how to fix it. Writes the
//! capability file.

use super::telling;
use crate::args::{Colour, DoctorArgs, MessageFormat};
use plumbline::capability::{self, Known};
use plumbline::doctor::host;
use plumbline::registry;
use plumbline::select::Refused;
use plumbline::{exit, root, session};
use plumbline_lanes::context::Options;
use plumbline_lanes::host::HostCheck;
use plumbline_report::escape;
use plumbline_report::paint::{BAD, DOUBT, GOOD, paint};
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// The check that a lane can be opened.
const OPENED: &str = "a node";

/// Checks the host for every lane that is asked for. A lane that can be opened cheaply, or is asked for by name, is opened to
/// see that it works; no cluster is made.
pub async fn run(args: &DoctorArgs, colour: Colour) -> anyhow::Result<u8> {
    let root = root::find().map_err(|e| Refused::one(e.to_string()))?;
    if let Some(unknown) = args.lane.iter().find(|lane| registry::find(lane).is_none()) {
        let all = registry::names().join(", ");
        return Err(Refused::one(format!("--lane {unknown}: there is no such lane; there are {all}")).into());
    }
    let (reporters, events) = telling::progress(colour);
    let mut checks = host(&root);
    for lane in registry::lanes() {
        let name = lane.name();
        if !args.lane.is_empty() && args.lane.iter().all(|asked| asked != name) {
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
                    checks.push(HostCheck::met(name, OPENED, "it was made, and is gone again"));
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
