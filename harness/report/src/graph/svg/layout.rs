//! The positions of all elements. Rows from the top: hosts, uplinks, nodes. In a node: its links as bars over the whole width,
//! below them its pods in columns. Left of each column is a gutter in which lines run up to the bars.

use super::canvas::{LINE, Rect, whole, width};
use crate::graph::model::{Attachment, End, FindingLabel, Graph, Host, Node, Path, Pod};
use std::collections::BTreeSet;

/// Outer margin.
pub(super) const MARGIN: i32 = 24;
/// Between boxes side by side.
const GAP: i32 = 26;
/// Inner margin of a box.
pub(super) const PAD: i32 = 10;
/// Height of a bar and of an uplink.
const BAR: i32 = 26;
/// Indent of a VLAN subinterface below its parent.
const INSET: i32 = 28;
/// Distance between vertical lines in a gutter.
const TRUNK: i32 = 10;
/// Distance between paths.
pub(super) const LANE: i32 = 6;
/// More paths than these are text only, because many lines are unreadable.
const DRAWN: usize = 12;
/// Findings are wrapped at this many characters.
const WRAP: usize = 60;

/// The positions of all elements.
pub(super) struct Layout {
    pub width: i32,
    pub height: i32,
    pub hosts: Vec<Rect>,
    pub uplinks: Vec<Rect>,
    pub nodes: Vec<NodePlace>,
}

/// The position of a node.
pub(super) struct NodePlace {
    pub rect: Rect,
    pub bars: Vec<Rect>,
    pub pods: Vec<PodPlace>,
    pub columns: Vec<Column>,
}

/// A column of pods with the gutter at its left.
#[derive(Default)]
pub(super) struct Column {
    /// The gutter's left edge.
    pub x: i32,
    /// Positions of the bars at the ends of lines from here.
    pub bars: Vec<usize>,
    /// Positions of the paths that begin or end here.
    pub paths: Vec<usize>,
    width: i32,
}

impl Column {
    fn gutter(&self) -> i32 {
        let trunks = i32::try_from(self.bars.len()).unwrap_or(0) * TRUNK;
        16 + trunks + i32::try_from(self.paths.len()).unwrap_or(0) * LANE
    }

    /// The position of the line to a bar.
    pub(super) fn trunk(&self, bar: usize) -> i32 {
        let place = self.bars.iter().position(|known| *known == bar).unwrap_or(0);
        self.x + 8 + i32::try_from(place).unwrap_or(0) * TRUNK
    }

    /// The position of a path.
    pub(super) fn lane(&self, path: usize) -> i32 {
        let place = self.paths.iter().position(|known| *known == path).unwrap_or(0);
        let trunks = i32::try_from(self.bars.len()).unwrap_or(0) * TRUNK;
        self.x + 8 + trunks + i32::try_from(place).unwrap_or(0) * LANE
    }
}

/// The position of a pod.
pub(super) struct PodPlace {
    pub rect: Rect,
    pub column: usize,
    /// Where its interfaces begin. Above them are its name, its missing result, its findings.
    pub ifaces: Vec<Rect>,
}

/// Paths that are drawn: those inside the picture, unless there are too many.
pub(super) fn drawn(graph: &Graph) -> Vec<usize> {
    let is_visible = |path: &Path| path.from != End::Outside && !path.forbidden;
    let all: Vec<usize> = (0..graph.paths.len()).filter(|place| is_visible(&graph.paths[*place])).collect();
    if all.len() > DRAWN { Vec::new() } else { all }
}

/// A finding in lines that fit.
pub(super) fn wrapped(label: &FindingLabel) -> Vec<String> {
    let text = format!("{} {}", label.word(), label.text);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < WRAP => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines
}

/// The column of the state words of an interface's lines.
pub(super) fn words_at(attachment: &Attachment) -> i32 {
    attachment.lines.iter().map(|line| width(&line.text)).max().unwrap_or(0) + 16
}

impl Layout {
    /// The layout of a picture.
    pub(super) fn of(graph: &Graph) -> Self {
        let paths = drawn(graph);
        let lanes = i32::try_from(paths.len()).unwrap_or(0) * LANE;
        let head = if graph.verdict.is_some() { 92 } else { 74 };
        let mut y = head;
        let hosts = row_of_hosts(graph, y);
        if let Some(bottom) = hosts.iter().map(|rect| rect.bottom()).max() {
            y = bottom + 30;
        }
        let mut uplinks = Vec::new();
        for _ in &graph.uplinks {
            uplinks.push(Rect { x: MARGIN, y, w: 0, h: BAR });
            y += BAR + 14 + lanes;
        }
        if !uplinks.is_empty() {
            y += 12;
        }
        let mut x = MARGIN;
        let mut nodes = Vec::new();
        for (n, node) in graph.nodes.iter().enumerate() {
            let place = self::node(graph, n, node, &paths, x, y);
            x = place.rect.right() + GAP;
            nodes.push(place);
        }
        let height = nodes.iter().map(|node| node.rect.h).max().unwrap_or(0);
        for node in &mut nodes {
            node.rect.h = height;
        }
        // The name is set in 16 pixels, other texts in 12.
        let title = (whole(&graph.name) * 4 / 3).max(whole(&graph.summary));
        let verdict = graph.verdict.as_deref().map_or(0, whole);
        let hosts_right = hosts.iter().map(|rect| rect.right()).max().unwrap_or(0);
        let right = (x - GAP).max(hosts_right).max(MARGIN + title).max(MARGIN + verdict).max(360);
        for uplink in &mut uplinks {
            uplink.w = right - MARGIN;
        }
        Self { width: right + MARGIN, height: y + height + MARGIN, hosts, uplinks, nodes }
    }
}

fn row_of_hosts(graph: &Graph, y: i32) -> Vec<Rect> {
    let mut x = MARGIN;
    let mut rects = Vec::new();
    let lines = graph.hosts.iter().map(|host| host.lines.len()).max().unwrap_or(0);
    for host in &graph.hosts {
        let w = host_width(host);
        rects.push(Rect { x, y, w, h: 2 * PAD + (i32::try_from(lines).unwrap_or(0) + 1) * LINE });
        x += w + GAP;
    }
    rects
}

fn host_width(host: &Host) -> i32 {
    let head = width(&format!("{} {}", host.role, host.name));
    let ports = i32::try_from(host.uplinks.len()).unwrap_or(0) * 40;
    host.lines.iter().map(|line| width(line)).max().unwrap_or(0).max(head).max(ports) + 2 * PAD
}

fn node(graph: &Graph, n: usize, node: &Node, paths: &[usize], x: i32, y: i32) -> NodePlace {
    let count = columns_of(graph.nodes.len(), node.pods.len());
    let mut columns: Vec<Column> = (0..count).map(|_| Column::default()).collect();
    for (p, pod) in node.pods.iter().enumerate() {
        let column = &mut columns[p % count];
        let bars: BTreeSet<usize> =
            column.bars.iter().copied().chain(pod.attachments.iter().filter_map(|attachment| attachment.bar)).collect();
        column.bars = bars.into_iter().collect();
        column.width = column.width.max(pod_width(pod));
        for place in paths {
            let path = &graph.paths[*place];
            let here = |end: End| matches!(end, End::Attachment(on, of, _) | End::Pod(on, of) if (on, of) == (n, p));
            if (here(path.from) || here(path.to)) && !column.paths.contains(place) {
                column.paths.push(*place);
            }
        }
    }
    let inner: i32 = columns.iter().map(|column| column.gutter() + column.width + PAD).sum();
    let names = node
        .bars
        .iter()
        .map(|bar| width(&format!("{}   {}", bar.name, bar.words)) + if bar.on.is_some() { INSET } else { 0 });
    // At the right end of a bar with an uplink lines go up.
    let lanes = i32::try_from(paths.len()).unwrap_or(0) * LANE;
    let risers = 40 + lanes;
    let w = inner.max(names.max().unwrap_or(0) + risers).max(width(&node.title)) + 2 * PAD;
    let mut below = y + 34;
    let mut bars = Vec::new();
    for (b, bar) in node.bars.iter().enumerate() {
        let inset = if bar.on.is_some() { INSET } else { 0 };
        bars.push(Rect { x: x + PAD + inset, y: below, w: w - 2 * PAD - inset, h: BAR });
        // Paths run below the bar that they come from.
        let on = |end: End| match end {
            End::Attachment(on, p, a) => on == n && node.pods[p].attachments[a].bar == Some(b),
            End::Pod(on, _) => on == n,
            End::Host(_) | End::Outside => false,
        };
        let used = paths.iter().any(|path| on(graph.paths[*path].from) || on(graph.paths[*path].to));
        below += BAR + 10 + if used { lanes } else { 0 };
    }
    let mut left = x + PAD;
    for column in &mut columns {
        column.x = left;
        left += column.gutter() + column.width + PAD;
    }
    let mut bottoms = vec![below + 10; count];
    let mut pods = Vec::new();
    for (p, pod) in node.pods.iter().enumerate() {
        let column = p % count;
        let x = columns[column].x + columns[column].gutter();
        let place = self::pod(pod, x, bottoms[column], columns[column].width, column);
        bottoms[column] = place.rect.bottom() + 16;
        pods.push(place);
    }
    let bottom = bottoms.into_iter().max().unwrap_or(below);
    NodePlace { rect: Rect { x, y, w, h: bottom - y }, bars, pods, columns }
}

/// The number of columns for the pods of a node: few if nodes are side by side, so that the picture stays readable.
fn columns_of(nodes: usize, pods: usize) -> usize {
    let deep = if nodes == 1 { 2 } else { 4 };
    (1..).find(|columns| pods <= columns * columns * deep).unwrap_or(1)
}

fn head_lines(pod: &Pod) -> i32 {
    let lines = 1 + usize::from(pod.trouble.is_some()) + pod.findings.iter().map(|r| wrapped(r).len()).sum::<usize>();
    i32::try_from(lines).unwrap_or(1)
}

fn pod_width(pod: &Pod) -> i32 {
    let head = width(&format!("pod {}", pod.name)).max(pod.trouble.as_deref().map_or(0, width));
    let findings = pod.findings.iter().flat_map(wrapped).map(|line| width(&line)).max().unwrap_or(0);
    let ifaces = pod.attachments.iter().map(iface_width).max().unwrap_or(0);
    head.max(findings).max(ifaces) + 2 * PAD
}

fn iface_width(attachment: &Attachment) -> i32 {
    let head = width(&format!("{}  {}", attachment.interface, attachment.network));
    let at = words_at(attachment);
    let lines = attachment.lines.iter().map(|line| match line.state.word() {
        "" => width(&line.text),
        word => at + width(word),
    });
    let findings = attachment.findings.iter().flat_map(wrapped).map(|line| width(&line)).max().unwrap_or(0);
    lines.max().unwrap_or(0).max(head).max(findings) + 2 * PAD
}

fn pod(pod: &Pod, x: i32, y: i32, w: i32, column: usize) -> PodPlace {
    let mut below = y + PAD + head_lines(pod) * LINE + 4;
    let mut ifaces = Vec::new();
    for attachment in &pod.attachments {
        let findings: usize = attachment.findings.iter().map(|label| wrapped(label).len()).sum();
        let lines = i32::try_from(1 + attachment.lines.len() + findings).unwrap_or(1);
        let h = 12 + lines * LINE;
        ifaces.push(Rect { x: x + PAD - 4, y: below, w: w - 2 * PAD + 8, h });
        below += h + 8;
    }
    PodPlace { rect: Rect { x, y, w, h: below + 2 - y }, column, ifaces }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::model::{Bar, Line, State};

    fn many(nodes: usize, pods: usize) -> Graph {
        let line = Line::new("192.168.100.0/24 scope link src 192.168.100.10", State::Missing);
        let attachment = Attachment { bar: Some(0), lines: vec![line; 4], ..Attachment::default() };
        let pod = |n: usize| Pod {
            name: "p".repeat(n + 1),
            attachments: vec![attachment.clone(); n % 3 + 1],
            findings: vec![FindingLabel { is_failure: true, text: "PL104: pod did not become ready".repeat(n % 4) }],
            ..Pod::default()
        };
        let bar = Bar { name: "br-ex".into(), words: "bridge".into(), of_topology: true, on: None, uplink: Some(0) };
        let node = |number| Node {
            number,
            title: format!("node {number}"),
            bars: vec![bar.clone(), Bar { on: Some(0), uplink: None, ..bar.clone() }],
            pods: (0..pods).map(pod).collect(),
        };
        let nodes = (1..=nodes).map(node).collect();
        Graph { uplinks: vec!["outside".into()], nodes, ..Graph::default() }
    }

    fn is_within(inner: Rect, outer: Rect) -> bool {
        inner.x >= outer.x && inner.y >= outer.y && inner.right() <= outer.right() && inner.bottom() <= outer.bottom()
    }

    fn are_apart(one: Rect, other: Rect) -> bool {
        one.right() <= other.x || other.right() <= one.x || one.bottom() <= other.y || other.bottom() <= one.y
    }

    #[test]
    fn no_elements_overlap() {
        for (nodes, pods) in [(1, 0), (1, 1), (1, 5), (2, 3), (3, 7), (4, 20)] {
            let layout = Layout::of(&many(nodes, pods));
            let page = Rect { x: 0, y: 0, w: layout.width, h: layout.height };
            for (n, node) in layout.nodes.iter().enumerate() {
                assert!(is_within(node.rect, page), "{nodes} nodes, {pods} pods");
                let mut all: Vec<Rect> =
                    node.bars.iter().copied().chain(node.pods.iter().map(|pod| pod.rect)).collect();
                assert!(all.iter().all(|rect| is_within(*rect, node.rect)), "{nodes} nodes, {pods} pods: {all:?}");
                all.extend(layout.nodes.iter().skip(n + 1).map(|other| other.rect));
                for (i, one) in all.iter().enumerate() {
                    assert!(
                        all[i + 1..].iter().all(|other| are_apart(*one, *other)),
                        "{nodes} nodes, {pods} pods: {one:?}"
                    );
                }
                for pod in &node.pods {
                    assert!(pod.ifaces.iter().all(|rect| is_within(*rect, pod.rect)));
                    assert!(pod.ifaces.windows(2).all(|pair| are_apart(pair[0], pair[1])));
                }
            }
        }
    }
}
