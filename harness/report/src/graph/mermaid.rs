//! A picture as a mermaid flowchart, for Markdown pages that draw it.

use super::model::{Attachment, End, FindingLabel, Graph, Path, PathState, Pod, State};
use crate::escape;
use std::fmt::Write as _;

/// The flowchart. Ends with a newline.
pub fn write(graph: &Graph) -> String {
    let mut out = String::from("flowchart TB\n");
    for (place, host) in graph.hosts.iter().enumerate() {
        let mut lines = vec![format!("<b>{} {}</b>", host.role, text(&host.name))];
        lines.extend(host.lines.iter().map(|line| text(line.trim())));
        let _ = writeln!(out, "  host{place}[\"{}\"]", lines.join("<br/>"));
    }
    for (place, uplink) in graph.uplinks.iter().enumerate() {
        let _ = writeln!(out, "  uplink{place}[[\"uplink {}\"]]", text(uplink));
    }
    for (n, node) in graph.nodes.iter().enumerate() {
        let _ = writeln!(out, "  subgraph node{n}[\"{}\"]", text(&node.title));
        for (b, bar) in node.bars.iter().enumerate() {
            let _ = writeln!(out, "    bar{n}_{b}([\"<b>{}</b><br/>{}\"])", text(&bar.name), text(&bar.words));
        }
        for (p, pod) in node.pods.iter().enumerate() {
            self::pod(&mut out, pod, n, p);
        }
        out.push_str("  end\n");
    }
    links(&mut out, graph);
    for path in &graph.paths {
        self::path(&mut out, path);
    }
    out.push_str("  classDef bad stroke:#cf222e,stroke-width:3px\n");
    out.push_str("  classDef doubt stroke:#9a6700,stroke-width:2px\n");
    classes(&mut out, graph);
    out
}

fn pod(out: &mut String, pod: &Pod, n: usize, p: usize) {
    let mut head = vec![format!("pod {}", text(&pod.name))];
    head.extend(pod.trouble.iter().map(|trouble| text(trouble)));
    head.extend(pod.findings.iter().map(label));
    let _ = writeln!(out, "    subgraph pod{n}_{p}[\"{}\"]", head.join("<br/>"));
    for (a, attachment) in pod.attachments.iter().enumerate() {
        let mut lines = vec![format!("<b>{}</b> {}", text(&attachment.interface), text(&attachment.network))];
        lines.extend(attachment.lines.iter().map(|line| match line.state.word() {
            "" => text(&line.text),
            word => format!("{}, {word}", text(&line.text)),
        }));
        lines.extend(attachment.findings.iter().map(label));
        let _ = writeln!(out, "      if{n}_{p}_{a}[\"{}\"]", lines.join("<br/>"));
    }
    out.push_str("    end\n");
}

fn links(out: &mut String, graph: &Graph) {
    for (place, host) in graph.hosts.iter().enumerate() {
        for uplink in &host.uplinks {
            let _ = writeln!(out, "  host{place} --- uplink{uplink}");
        }
    }
    for (n, node) in graph.nodes.iter().enumerate() {
        for (b, bar) in node.bars.iter().enumerate() {
            if let Some(uplink) = bar.uplink {
                let _ = writeln!(out, "  uplink{uplink} --- bar{n}_{b}");
            }
            if let Some(on) = bar.on {
                let _ = writeln!(out, "  bar{n}_{on} --- bar{n}_{b}");
            }
        }
        for (p, pod) in node.pods.iter().enumerate() {
            for (a, attachment) in pod.attachments.iter().enumerate() {
                if let Some(bar) = attachment.bar {
                    let _ = writeln!(out, "  bar{n}_{bar} --- if{n}_{p}_{a}");
                }
            }
        }
    }
}

fn path(out: &mut String, path: &Path) {
    let (Some(from), Some(to)) = (describe_end(path.from), describe_end(path.to)) else {
        let _ = writeln!(out, "  %% path {}: {}", path.number, escape::line(&path.text));
        return;
    };
    let words = match &path.state {
        PathState::Requested => "requested".to_owned(),
        state => state.words(),
    };
    let arrow = if path.forbidden { "-. " } else { "== " };
    let head = if path.forbidden { " .-x" } else { " ==>" };
    let _ = writeln!(out, "  {from} {arrow}\"{} {}: {}\"{head} {to}", path.number, text(&path.text), text(&words));
}

fn describe_end(end: End) -> Option<String> {
    match end {
        End::Attachment(n, p, a) => Some(format!("if{n}_{p}_{a}")),
        End::Pod(n, p) => Some(format!("pod{n}_{p}")),
        End::Host(place) => Some(format!("host{place}")),
        End::Outside => None,
    }
}

fn classes(out: &mut String, graph: &Graph) {
    for (n, node) in graph.nodes.iter().enumerate() {
        for (p, pod) in node.pods.iter().enumerate() {
            if pod.trouble.is_some() {
                let _ = writeln!(out, "  class pod{n}_{p} bad");
            }
            for (a, attachment) in pod.attachments.iter().enumerate() {
                if let Some(class) = class(attachment) {
                    let _ = writeln!(out, "  class if{n}_{p}_{a} {class}");
                }
            }
        }
    }
}

fn class(attachment: &Attachment) -> Option<&'static str> {
    let bad = |state: State| state.is_bad();
    if attachment.lines.iter().any(|line| bad(line.state)) || attachment.findings.iter().any(|label| label.is_failure) {
        return Some("bad");
    }
    (!attachment.findings.is_empty()).then_some("doubt")
}

fn label(label: &FindingLabel) -> String {
    format!("{} {}", label.word(), text(&label.text))
}

/// Text inside quotes: mermaid reads `#NAME;` and `#NUMBER;` as characters, and some tags.
fn text(text: &str) -> String {
    let mut out = String::new();
    for c in escape::line(text).chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            ';' => out.push_str("#59;"),
            '`' => out.push_str("#96;"),
            c => out.push(c),
        }
    }
    out
}
