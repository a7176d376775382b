//! Boxes, the links between them, and their texts.

use super::canvas::{Canvas, LINE, Rect, width};
use super::layout::{Layout, MARGIN, NodePlace, PAD, PodPlace, words_at, wrapped};
use crate::graph::model::{Attachment, FindingLabel, Graph, Node, Pod, State};

/// Base line of the first text of a box below its upper edge.
const FIRST: i32 = 18;

/// The title, and the boxes of nodes in the background.
pub(super) fn ground(canvas: &mut Canvas, graph: &Graph, layout: &Layout) {
    canvas.whole("head", MARGIN, 34, &graph.name);
    canvas.whole("quiet", MARGIN, 54, &graph.summary);
    if let Some(verdict) = &graph.verdict {
        let class = if verdict.starts_with("PASS") { "good" } else { "bad" };
        canvas.whole(class, MARGIN, 74, verdict);
    }
    for (node, place) in graph.nodes.iter().zip(&layout.nodes) {
        canvas.open(&node.title);
        canvas.rect("node", place.rect);
        canvas.text("name", place.rect.x + PAD, place.rect.y + 21, &node.title);
        canvas.close();
    }
}

/// Lines: hosts to uplinks, uplinks to bridges, VLAN subinterfaces to their parents, interfaces to their links. Painted
/// before the boxes, so that boxes cover lines.
pub(super) fn links(canvas: &mut Canvas, graph: &Graph, layout: &Layout) {
    for (h, host) in graph.hosts.iter().enumerate() {
        for (port, uplink) in host.uplinks.iter().enumerate() {
            let (x, bus) = (port_at(layout, h, port), layout.uplinks[*uplink]);
            canvas.line("wire", &[(x, layout.hosts[h].bottom()), (x, bus.y)]);
        }
    }
    for (node, place) in graph.nodes.iter().zip(&layout.nodes) {
        for (b, bar) in node.bars.iter().enumerate() {
            if let Some(uplink) = bar.uplink {
                let x = riser(place, b);
                canvas.line("wire", &[(x, place.bars[b].y), (x, layout.uplinks[uplink].bottom())]);
            }
            if let Some(on) = bar.on {
                let (x, own) = (place.bars[b].x - 12, place.bars[b]);
                let y = own.y + own.h / 2;
                canvas.line("wire", &[(x, place.bars[on].bottom()), (x, y), (own.x, y)]);
            }
        }
        for (pod, pod_place) in node.pods.iter().zip(&place.pods) {
            for (attachment, rect) in pod.attachments.iter().zip(&pod_place.ifaces) {
                if let Some(bar) = attachment.bar {
                    let (x, y) = (place.columns[pod_place.column].trunk(bar), rect.y + FIRST - 4);
                    canvas.line("wire", &[(rect.x, y), (x, y), (x, place.bars[bar].bottom())]);
                }
            }
        }
    }
}

/// The position of a bar's line to its uplink: at the bar's right end.
pub(super) fn riser(place: &NodePlace, bar: usize) -> i32 {
    place.bars[bar].right() - 14 - i32::try_from(bar).unwrap_or(0) * 10
}

/// The position of a host's port.
pub(super) fn port_at(layout: &Layout, host: usize, port: usize) -> i32 {
    layout.hosts[host].x + 20 + i32::try_from(port).unwrap_or(0) * 40
}

/// Hosts, uplinks, bars and pods with their texts.
pub(super) fn boxes(canvas: &mut Canvas, graph: &Graph, layout: &Layout) {
    for (h, host) in graph.hosts.iter().enumerate() {
        let rect = layout.hosts[h];
        canvas.open(&format!("{} {}\n{}", host.role, host.name, host.lines.join("\n")));
        canvas.rect("host", rect);
        canvas.text("name", rect.x + PAD, rect.y + FIRST, &format!("{} {}", host.role, host.name));
        for (n, line) in (1..).zip(&host.lines) {
            canvas.text("", rect.x + PAD, rect.y + FIRST + n * LINE, line);
        }
        canvas.close();
        for (port, uplink) in host.uplinks.iter().enumerate() {
            canvas.dot("knot", port_at(layout, h, port), layout.uplinks[*uplink].y, 3);
        }
    }
    for (uplink, rect) in graph.uplinks.iter().zip(&layout.uplinks) {
        canvas.open(&format!("uplink {uplink}: joins nodes and hosts as a switch does"));
        canvas.rect("uplink", *rect);
        canvas.text("name", rect.x + PAD, rect.y + FIRST, &format!("uplink {uplink}"));
        canvas.close();
    }
    for (node, place) in graph.nodes.iter().zip(&layout.nodes) {
        bars(canvas, node, place, layout);
        for (pod, pod_place) in node.pods.iter().zip(&place.pods) {
            self::pod(canvas, pod, pod_place);
            for attachment in pod.attachments.iter().filter_map(|attachment| attachment.bar) {
                let x = place.columns[pod_place.column].trunk(attachment);
                canvas.dot("knot", x, place.bars[attachment].bottom(), 3);
            }
        }
    }
}

fn bars(canvas: &mut Canvas, node: &Node, place: &NodePlace, layout: &Layout) {
    for (b, (bar, rect)) in node.bars.iter().zip(&place.bars).enumerate() {
        canvas.open(&format!("{} on node {}: {}", bar.name, node.number, bar.words));
        canvas.rect(if bar.of_topology { "bar" } else { "bar-other" }, *rect);
        canvas.text("name", rect.x + PAD, rect.y + FIRST, &bar.name);
        canvas.text("quiet", rect.x + PAD + width(&format!("{}   ", bar.name)), rect.y + FIRST, &bar.words);
        canvas.close();
        if let Some(uplink) = bar.uplink {
            let x = riser(place, b);
            canvas.dot("knot", x, rect.y, 3);
            canvas.dot("knot", x, layout.uplinks[uplink].bottom(), 3);
        }
    }
}

fn pod(canvas: &mut Canvas, pod: &Pod, place: &PodPlace) {
    let rect = place.rect;
    canvas.open(&tooltip(pod));
    canvas.rect("pod", rect);
    let x = rect.x + PAD;
    let mut y = rect.y + FIRST;
    canvas.text("name", x, y, &format!("pod {}", pod.name));
    if let Some(trouble) = &pod.trouble {
        y += LINE;
        canvas.text("bad", x, y, trouble);
    }
    findings(canvas, &pod.findings, x, y);
    canvas.close();
    for (attachment, rect) in pod.attachments.iter().zip(&place.ifaces) {
        iface(canvas, pod, attachment, *rect);
    }
}

fn tooltip(pod: &Pod) -> String {
    let mut text = format!("pod {}", pod.name);
    for more in pod.trouble.iter().chain(pod.findings.iter().map(|label| &label.text)) {
        text.push('\n');
        text.push_str(more);
    }
    text
}

fn iface(canvas: &mut Canvas, pod: &Pod, attachment: &Attachment, rect: Rect) {
    let bad =
        attachment.lines.iter().any(|line| line.state.is_bad()) || attachment.findings.iter().any(|r| r.is_failure);
    let class = match (bad, attachment.findings.is_empty()) {
        (true, _) => "iface-bad",
        (false, false) => "iface-doubt",
        (false, true) => "iface",
    };
    let mut title = format!("{} of pod {}, {}", attachment.interface, pod.name, attachment.network);
    for line in &attachment.lines {
        title.push_str(&format!("\n{}   {}", line.text, line.state.word()));
    }
    for label in &attachment.findings {
        title.push_str(&format!("\n{} {}", label.word(), label.text));
    }
    if let Some(config) = &attachment.config {
        title.push_str(&format!("\n\n{}", config.trim()));
    }
    canvas.open(&title);
    canvas.rect(class, rect);
    let (x, mut y) = (rect.x + PAD - 2, rect.y + FIRST);
    canvas.text("name", x, y, &attachment.interface);
    canvas.text("quiet", x + width(&format!("{}  ", attachment.interface)), y, &attachment.network);
    let at = words_at(attachment);
    for line in &attachment.lines {
        y += LINE;
        let (of_text, of_word) = match line.state {
            State::Requested => ("", ""),
            State::Held => ("", "good"),
            State::Observed => ("quiet", "quiet"),
            State::Missing | State::Surplus => ("bad", "bad"),
        };
        canvas.text(of_text, x, y, &line.text);
        if !line.state.word().is_empty() {
            canvas.text(of_word, x + at, y, line.state.word());
        }
    }
    findings(canvas, &attachment.findings, x, y);
    canvas.close();
}

fn findings(canvas: &mut Canvas, findings: &[FindingLabel], x: i32, mut y: i32) {
    for label in findings {
        for line in wrapped(label) {
            y += LINE;
            canvas.text(if label.is_failure { "bad" } else { "doubt" }, x, y, &line);
        }
    }
}
