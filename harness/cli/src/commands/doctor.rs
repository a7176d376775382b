//! `plumbline doctor`: what this host can do, each line with probe, found, needed, and how to mend it. Writes the
//! capability file.

use super::telling;
use crate::args::{Colour, DoctorArgs, MessageFormat};
use plumbline::capability::{self, Known};
use plumbline::doctor::{Line, cluster_host, host, machine_host, ways};
use plumbline::select::Refused;
use plumbline::{exit, root, session};
use plumbline_lanes::context::Options;
use plumbline_lanes::registry;
use plumbline_report::escape;
use plumbline_report::paint::{BAD, DOUBT, GOOD, paint};
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// Probes. The netns lane is opened, and the vm lane where its parts are there or it is asked for by name; for the kind
/// lane the host is looked at and no cluster is made.
pub async fn run(args: &DoctorArgs, colour: Colour) -> anyhow::Result<u8> {
    let root = root::find().map_err(|e| Refused::one(e.to_string()))?;
    let all: Vec<&str> = registry::lanes().iter().map(|lane| lane.name()).collect();
    let asked: Vec<&str> =
        if args.lane.is_empty() { all.clone() } else { args.lane.iter().map(String::as_str).collect() };
    if let Some(unknown) = asked.iter().find(|lane| !all.contains(lane)) {
        return Err(
            Refused::one(format!("--lane {unknown}: there is no such lane; there are {}", all.join(", "))).into()
        );
    }
    let (reporters, events) = telling::progress(colour);
    let mut lines = host(&root);
    for (name, what) in [("netns", "a private node"), ("vm", "a node in the virtual machine")] {
        if !asked.contains(&name) {
            continue;
        }
        let cx = session::context(&root, Options::default(), events.clone(), CancellationToken::new(), "doctor")?;
        let ready = match name {
            "vm" => machine_host(&root, &cx.images, args.lane.is_empty(), &mut lines)?,
            _ => {
                lines.extend(ways(&cx).await);
                true
            }
        };
        let lane = registry::lanes().into_iter().find(|lane| lane.name() == name && ready);
        if let Some(lane) = lane {
            let known = match lane.open(&cx).await {
                Ok(open) => {
                    let known = Known::open(open.as_ref());
                    open.close().await;
                    lines.push(Line::there(name, what, "it was made, and is gone again"));
                    known
                }
                Err(error) => {
                    lines.push(Line::testbed_error(name, what, &error));
                    Known::testbed_error(&error)
                }
            };
            for (capability, offer) in &known.offers.0 {
                lines.push(Line::offer(name, capability, offer));
            }
            capability::note(name, &known)?;
        }
        session::close(&cx).await;
    }
    if asked.contains(&"kind") {
        lines.extend(cluster_host(&root).await);
    }
    reporters.finish()?;
    print(&lines, args.output)?;
    Ok(if lines.iter().any(Line::is_lack) { exit::ERROR } else { exit::PASS })
}

fn print(lines: &[Line], output: MessageFormat) -> anyhow::Result<()> {
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
                    if let Some(mend) = &line.mend {
                        write!(out, "; to mend: {}", escape::line(mend))?;
                    }
                }
                writeln!(out)?;
            }
        }
    }
    Ok(())
}
