//! A picture as text, for a terminal: a tree by indentation.
//!
//! The text has colour sequences of [`crate::paint`]. The writer strips them for files and pipes.

use super::model::{Attachment, FindingLabel, Graph, Line, Path, PathState, Pod, State};
use crate::escape;
use crate::paint::{BAD, DOUBT, GOOD, QUIET, paint};
use std::fmt::Write as _;

/// The picture. Ends with a newline.
pub fn write(graph: &Graph) -> String {
    let mut out = format!("{}\n  {}\n", escape::line(&graph.name), escape::line(&graph.summary));
    if let Some(verdict) = &graph.verdict {
        let _ = writeln!(out, "  {}", escape::line(verdict));
    }
    if !graph.observed {
        let _ = writeln!(out, "  {}", paint(QUIET, "requested state only; no run"));
    }
    for (place, uplink) in graph.uplinks.iter().enumerate() {
        let _ = writeln!(out, "\nuplink {}", escape::line(uplink));
        for node in &graph.nodes {
            for bar in node.bars.iter().filter(|bar| bar.uplink == Some(place)) {
                let _ = writeln!(out, "  joins node {} by its {}", node.number, escape::line(&bar.name));
            }
        }
        for host in graph.hosts.iter().filter(|host| host.uplinks.contains(&place)) {
            let _ = writeln!(out, "  joins {} {}", host.role, escape::line(&host.name));
        }
    }
    for host in &graph.hosts {
        let _ = writeln!(out, "\n{} {}", host.role, escape::line(&host.name));
        for line in &host.lines {
            let _ = writeln!(out, "  {}", escape::line(line));
        }
    }
    for node in &graph.nodes {
        let _ = writeln!(out, "\n{}", escape::line(&node.title));
        for bar in &node.bars {
            let depth = if bar.on.is_some() { 4 } else { 2 };
            let _ = writeln!(out, "{:depth$}{}   {}", "", escape::line(&bar.name), escape::line(&bar.words));
        }
        for pod in &node.pods {
            let bars: Vec<&str> = node.bars.iter().map(|bar| bar.name.as_str()).collect();
            self::pod(&mut out, pod, &bars);
        }
    }
    if !graph.paths.is_empty() {
        out.push_str("\npaths\n");
        for path in &graph.paths {
            self::path(&mut out, path);
        }
    }
    out
}

fn pod(out: &mut String, pod: &Pod, bars: &[&str]) {
    let _ = writeln!(out, "  pod {}", escape::line(&pod.name));
    if let Some(trouble) = &pod.trouble {
        let _ = writeln!(out, "    {}", paint(BAD, &escape::line(trouble)));
    }
    findings(out, &pod.findings, 4);
    let width = pod.attachments.iter().map(|attachment| width(&attachment.interface)).max().unwrap_or(0);
    let texts = pod.attachments.iter().flat_map(|attachment| &attachment.lines).map(|line| self::width(&line.text));
    // One very long line must not move the state words of all other lines.
    let column = texts.filter(|width| *width <= 64).max().unwrap_or(0);
    for attachment in &pod.attachments {
        let _ = writeln!(
            out,
            "    {:width$}   {}{}",
            escape::line(&attachment.interface),
            escape::line(&attachment.network),
            describe_parent(attachment, bars)
        );
        for line in &attachment.lines {
            self::line(out, line, column);
        }
        findings(out, &attachment.findings, 6);
    }
}

/// `, on br-ex`, if that differs from the network's own name.
fn describe_parent(attachment: &Attachment, bars: &[&str]) -> String {
    let bar = attachment.bar.and_then(|bar| bars.get(bar)).filter(|bar| **bar != attachment.network);
    bar.map(|bar| format!(", on {}", escape::line(bar))).unwrap_or_default()
}

fn line(out: &mut String, line: &Line, column: usize) {
    let text = escape::line(&line.text);
    let style = match line.state {
        State::Requested => {
            let _ = writeln!(out, "      {text}");
            return;
        }
        State::Held => GOOD,
        State::Observed => QUIET,
        State::Missing | State::Surplus => BAD,
    };
    let text = if line.state.is_bad() { paint(BAD, &format!("{text:column$}")) } else { format!("{text:column$}") };
    let _ = writeln!(out, "      {text}   {}", paint(style, line.state.word()));
}

fn findings(out: &mut String, findings: &[FindingLabel], depth: usize) {
    for label in findings {
        let style = if label.is_failure { BAD } else { DOUBT };
        let _ = writeln!(out, "{:depth$}{} {}", "", paint(style, label.word()), escape::line(&label.text));
    }
}

fn path(out: &mut String, path: &Path) {
    let _ = writeln!(out, "  {:2}  {}", path.number, escape::line(&path.text));
    let style = match &path.state {
        PathState::Requested => QUIET,
        PathState::Held(_) => GOOD,
        PathState::Failed(_) => BAD,
    };
    let words = path.state.words();
    if !words.is_empty() {
        let _ = writeln!(out, "      {}", paint(style, &escape::line(&words)));
    }
    for station in &path.stations {
        let _ = writeln!(out, "      {}", escape::line(station));
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}
