//! Terway's chain as text: findings of the lint, the chain in force, the effect of a change. Pure.

mod ended;

use crate::escape;
use crate::lint::text::findings as findings_with_excerpts;
use crate::paint::{BAD, DOUBT, GOOD, QUIET, paint};
use crate::text::{count, findings, severities};
use plumbline_core::lint::InputFile;
use plumbline_core::terway::{Access, LintReport, NodeShown, OldPod, Planned, Shown, TableRow, Usage};
use serde_json::Value;
use std::fmt::Write as _;

pub use ended::{applied, put_back};

/// The report of the lint, with excerpts from these files. Ends with a newline.
pub fn lint(source: &str, report: &LintReport, failed: bool, files: &[InputFile]) -> String {
    let word = if failed { paint(BAD, "FAIL") } else { paint(GOOD, "PASS") };
    let mut out = format!(
        "{word}, {}{}   {}\n",
        count(report.checked, "rule checked", "rules checked"),
        severities(&report.findings),
        escape::line(source)
    );
    let chain: Vec<String> = report.chain.iter().map(|plugin| escape::line(plugin)).collect();
    if !chain.is_empty() {
        let _ = writeln!(out, "  chain: {}", chain.join(" -> "));
    }
    let _ = writeln!(out, "  used: {}", used(&report.usage));
    table(&mut out, &report.table);
    if !report.findings.is_empty() {
        out.push('\n');
        out.push_str(&findings_with_excerpts(&report.findings, files));
    }
    unknowns(&mut out, &report.untold);
    out
}

fn used(usage: &Usage) -> String {
    let unknown = || "unknown".to_owned();
    let v2 = match usage.datapath_v2 {
        Some(true) => "Datapath V2",
        Some(false) => "without Datapath V2",
        None => "Datapath V2 unknown",
    };
    let access = usage.access.map_or("access unknown".to_owned(), |access| match access {
        Access::None => "no hostPort".to_owned(),
        other => format!("hostPorts requested at {}", other.words()),
    });
    let terway = usage.terway_version.map_or_else(unknown, |version| version.to_string());
    let portmap = usage.portmap_version.map_or_else(unknown, |version| version.to_string());
    format!("{v2}; {access}; Terway {terway}; portmap {portmap}")
}

/// Writes the document's table for this use.
fn table(out: &mut String, rows: &[TableRow]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "  the document's table:");
    let name = rows.iter().map(|row| row.setting.len()).max().unwrap_or_default();
    let need = rows.iter().map(|row| row.need.words().len()).max().unwrap_or_default();
    for row in rows {
        let force = match (row.set.as_str(), row.in_force) {
            ("true", Some(false)) => ", and not in force",
            ("true", None) => ", in force with a version that knows it",
            _ => "",
        };
        let _ = writeln!(
            out,
            "    {:name$}  {:need$}  here: {}{force}",
            row.setting,
            row.need.words(),
            escape::line(&row.set)
        );
    }
}

/// The chain that is in force, or a file's. Ends with a newline.
pub fn show(shown: &Shown) -> String {
    let mut out = format!("{}\n", escape::line(&shown.source));
    match &shown.chain {
        Some(text) => block(&mut out, "the chain, 10-terway.conflist:", text),
        None => {
            let _ = writeln!(out, "  no chain of its own: Terway's entry alone is the chain");
        }
    }
    if let Some(entry) = &shown.entry {
        block(&mut out, "Terway's entry, 10-terway.conf:", entry);
    }
    if let Some(why) = &shown.refused {
        let _ = writeln!(out, "  {}: {}", paint(BAD, "terway-cli refuses it"), escape::line(why));
    }
    conflists(&mut out, &shown.conflists);
    nodes(&mut out, &shown.nodes);
    old_pods(&mut out, "made before the chain came into force", &shown.old_pods);
    stand_ins(&mut out, &shown.stand_ins);
    out
}

fn block(out: &mut String, head: &str, text: &str) {
    let _ = writeln!(out, "  {head}");
    for line in escape::block(text).trim_end().lines() {
        let _ = writeln!(out, "    {line}");
    }
}

/// Writes the output of terway-cli: the one conflist, or the first of several and their differences.
fn conflists(out: &mut String, lists: &[Value]) {
    let Some(first) = lists.first() else { return };
    let text = serde_json::to_string_pretty(first).unwrap_or_default();
    let head = match lists.len() {
        1 => "terway-cli makes of it, on every node:".to_owned(),
        n => format!("terway-cli makes of it, by node (this is one of {n} that can come of it):"),
    };
    block(out, &head, &text);
    let mut parted: Vec<String> = Vec::new();
    for other in &lists[1..] {
        for difference in plumbline_core::terway::compare(std::slice::from_ref(first), &other.to_string()) {
            let nothing = || "nothing".to_owned();
            let (a, b) = (difference.expected.unwrap_or_else(nothing), difference.found.unwrap_or_else(nothing));
            let line = format!("{}: {a}, or {b}", difference.path);
            if !parted.contains(&line) {
                parted.push(line);
            }
        }
    }
    for line in parted {
        let _ = writeln!(out, "    by node: {}", escape::line(&line));
    }
}

fn nodes(out: &mut String, nodes: &[NodeShown]) {
    for node in nodes {
        let name = escape::line(&node.name);
        let word = match (&node.conflist, node.differences.len()) {
            (None, _) => {
                let why = node.unread.as_deref().map_or("it could not be read".to_owned(), escape::line);
                format!("{}: {why}", paint(DOUBT, "not read"))
            }
            (Some(_), 0) => paint(GOOD, "as terway-cli must make it"),
            (Some(_), n) => paint(BAD, &count(n, "difference", "differences")),
        };
        let exclusive = if node.exclusive { ", ENIs for single pods: every chain is thrown away" } else { "" };
        let _ = writeln!(out, "  node {name}: {word}{exclusive}");
        for difference in &node.differences {
            let path = if difference.path.is_empty() { "the whole" } else { &difference.path };
            let side = |text: &Option<String>| text.as_deref().map_or("nothing".to_owned(), escape::line);
            let (expected, found) = (side(&difference.expected), side(&difference.found));
            let _ = writeln!(out, "    {}: must be {expected}, is {found}", escape::line(path));
        }
    }
}

fn old_pods(out: &mut String, what: &str, pods: &[OldPod]) {
    if pods.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {} {what}:", count(pods.len(), "pod", "pods"));
    for pod in pods {
        let _ = writeln!(out, "    {}", escape::line(&format!("{}/{} on {}", pod.namespace, pod.name, pod.node)));
    }
}

/// The effect of a planned change. Ends with a newline.
pub fn plan(planned: &Planned) -> String {
    let mut out = format!("from {}\nto   {}\n", escape::line(&planned.from), escape::line(&planned.to));
    if planned.unchanged && planned.unsaid {
        let _ = writeln!(
            out,
            "  there is no 10-terway.conflist in it, so the chain stays: nothing would be written; `10-terway.conflist: null` takes it away"
        );
    } else if planned.unchanged {
        let _ = writeln!(out, "  the chain is as it is already: nothing would be written");
    } else {
        let _ = writeln!(out, "  10-terway.conflist:");
        for line in &planned.difference {
            let line = escape::line(line);
            let style = match line.chars().next() {
                Some('-') => BAD,
                Some('+') => GOOD,
                _ => QUIET,
            };
            let _ = writeln!(out, "    {}", paint(style, &line));
        }
    }
    conflists(&mut out, &planned.conflists);
    if !planned.unchanged {
        let nodes = match planned.nodes.len() {
            0 => "one pod on each node of Terway's".to_owned(),
            n => format!("{} on {}", count(n, "pod", "pods"), escape::line(&planned.nodes.join(", "))),
        };
        let _ = writeln!(out, "  restarted: DaemonSet {} ({nodes}); no pod of yours", planned.restarts);
        old_pods(&mut out, "would keep the old chain until made anew", &planned.old_pods);
    }
    findings(&mut out, &planned.beside);
    if let Some(now) = &planned.now {
        findings(&mut out, &now.findings);
        unknowns(&mut out, &now.untold);
    }
    out.push_str(&lint("what the new one is like", &planned.lint, planned.lint.failed(), &[]));
    stand_ins(&mut out, &planned.stand_ins);
    let unread = planned.now.as_ref().is_some_and(|now| !now.untold.is_empty());
    let word = match (&planned.obstacle, planned.unfit()) {
        (_, true) => paint(BAD, "apply would refuse this"),
        (Some(why), false) => format!("{}: {}", paint(BAD, "apply would refuse this"), escape::line(why)),
        (None, false) if unread => {
            format!("{}, if every node can be read and has what it must have now", paint(GOOD, "apply would take this"))
        }
        (None, false) => paint(GOOD, "apply would take this"),
    };
    let _ = writeln!(out, "{word}; nothing was changed");
    out
}

fn unknowns(out: &mut String, unknowns: &[String]) {
    for line in unknowns {
        let _ = writeln!(out, "  {}: {}", paint(DOUBT, "unknown"), escape::line(line));
    }
}

fn stand_ins(out: &mut String, stand_ins: &[String]) {
    for line in stand_ins {
        let _ = writeln!(out, "  stand-in: {}", escape::line(line));
    }
}
