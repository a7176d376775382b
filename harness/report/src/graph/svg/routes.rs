//! The paths of packets, drawn beside their links, each with its number.

use super::canvas::Canvas;
use super::draw::{port_at, riser};
use super::layout::{LANE, Layout, drawn};
use crate::graph::model::{Arrival, End, Graph, Path, PathState};

/// The last word of a class: `requested`, `held`, `failed`.
pub(super) fn class(state: &PathState) -> &'static str {
    match state {
        PathState::Requested => "requested",
        PathState::Held(_) => "held",
        PathState::Failed(_) => "failed",
    }
}

/// The lines. Painted before the boxes, so that boxes cover lines.
pub(super) fn lines(canvas: &mut Canvas, graph: &Graph, layout: &Layout) {
    for (path, points) in ways(graph, layout) {
        canvas.open(&tooltip(path));
        canvas.line(&format!("path path-{}", class(&path.state)), &points);
        canvas.close();
    }
}

/// Both ends of each path: its number at its start, and at its end a dot, or a cross if packets stopped there.
pub(super) fn ends(canvas: &mut Canvas, graph: &Graph, layout: &Layout) {
    for (path, points) in ways(graph, layout) {
        let (Some((x, y)), Some((to_x, to_y))) = (points.first().copied(), points.last().copied()) else { continue };
        let class = class(&path.state);
        canvas.open(&tooltip(path));
        if path.arrival == Arrival::Target {
            canvas.dot(&format!("badge-{class}"), to_x, to_y, 4);
        } else {
            let style = format!("path end-{class}");
            canvas.line(&style, &[(to_x - 6, to_y - 6), (to_x + 6, to_y + 6)]);
            canvas.line(&style, &[(to_x - 6, to_y + 6), (to_x + 6, to_y - 6)]);
        }
        // In the pod's margin, clear of the interface's text.
        badge(canvas, class, x - 5, y, path.number);
        canvas.close();
    }
}

fn ways<'a>(graph: &'a Graph, layout: &Layout) -> Vec<(&'a Path, Vec<(i32, i32)>)> {
    let all = (0..).zip(drawn(graph));
    let way = |(lane, place): (i32, usize)| {
        let path = &graph.paths[place];
        Some((path, points(graph, layout, path, place, lane)?))
    };
    all.filter_map(way).collect()
}

/// A number on a disk of the path's colour.
pub(super) fn badge(canvas: &mut Canvas, class: &str, x: i32, y: i32, number: usize) {
    canvas.dot(&format!("badge-{class}"), x, y, 9);
    canvas.text("badge-text", x, y + 4, &number.to_string());
}

/// The text of a path for the tooltip and the legend.
fn tooltip(path: &Path) -> String {
    let words = path.state.words();
    let lines = [path.text.clone(), words].into_iter().chain(path.stations.iter().cloned());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A place at which a path enters the row of a node's bars: its points up to there, the node and the bar.
struct Rise {
    points: Vec<(i32, i32)>,
    node: usize,
    bar: usize,
}

fn points(graph: &Graph, layout: &Layout, path: &Path, place: usize, lane: i32) -> Option<Vec<(i32, i32)>> {
    let from = route_to_bar(graph, layout, path.from, place, lane)?;
    let mut points = from.points;
    match path.arrival {
        Arrival::Pod => {
            points.truncate(2);
            return Some(points);
        }
        Arrival::Node => return Some(points),
        Arrival::Uplink => {
            points.extend(up(graph, layout, from.node, from.bar, lane).into_iter().flatten());
            return Some(points);
        }
        Arrival::Target => {}
    }
    match path.to {
        End::Host(host) => {
            let uplink = root(graph, from.node, from.bar).and_then(|bar| graph.nodes[from.node].bars[bar].uplink)?;
            let port = graph.hosts[host].uplinks.iter().position(|known| *known == uplink)?;
            points.extend(up(graph, layout, from.node, from.bar, lane)?);
            let x = port_at(layout, host, port) + LANE * (lane + 1);
            let y = layout.uplinks[uplink].bottom() + 6 + lane * LANE;
            points.extend([(x, y), (x, layout.hosts[host].bottom() + 4)]);
        }
        End::Attachment(..) | End::Pod(..) => {
            let to = route_to_bar(graph, layout, path.to, place, lane)?;
            if to.node == from.node && to.bar == from.bar {
                points.extend(to.points.into_iter().rev());
            } else {
                points.extend(up(graph, layout, from.node, from.bar, lane)?);
                points.extend(up(graph, layout, to.node, to.bar, lane)?.into_iter().rev());
                points.extend(to.points.into_iter().rev());
            }
        }
        End::Outside => {}
    }
    Some(points)
}

/// From an interface through its gutter to below its bar.
fn route_to_bar(graph: &Graph, layout: &Layout, end: End, place: usize, lane: i32) -> Option<Rise> {
    let (node, pod, attachment) = match end {
        End::Attachment(node, pod, attachment) => (node, pod, attachment),
        // The interface is unknown before the run: the line begins at the first interface with a link of the node.
        End::Pod(node, pod) => {
            let all = &graph.nodes[node].pods[pod].attachments;
            (node, pod, all.iter().position(|attachment| attachment.bar.is_some())?)
        }
        End::Host(_) | End::Outside => return None,
    };
    let bar = graph.nodes[node].pods[pod].attachments[attachment].bar?;
    let place_of_pod = &layout.nodes[node].pods[pod];
    let rect = place_of_pod.ifaces[attachment];
    let x = layout.nodes[node].columns[place_of_pod.column].lane(place);
    // Several paths of one interface begin below each other, within the height of the interface.
    let starts = |path: &&usize| graph.paths[**path].from == end && **path < place;
    let before = i32::try_from(drawn(graph).iter().filter(starts).count()).unwrap_or(0);
    let y = (rect.y + 18 + before * 20).min(rect.bottom() - 9);
    Some(Rise { points: vec![(rect.x, y), (x, y), (x, find_lane_below(layout, node, bar, lane))], node, bar })
}

/// The position of a path along a bar: just below it.
fn find_lane_below(layout: &Layout, node: usize, bar: usize, lane: i32) -> i32 {
    layout.nodes[node].bars[bar].bottom() + 5 + lane * LANE
}

/// The bridge under a bar, or the bar itself if there is none.
fn root(graph: &Graph, node: usize, bar: usize) -> Option<usize> {
    let bars = &graph.nodes[node].bars;
    // A chain of subinterfaces is never longer than the number of bars.
    (0..bars.len()).try_fold(bar, |at, _| Some(bars.get(at)?.on.unwrap_or(at)))
}

/// Along the bar to its right end, and up to below the uplink.
fn up(graph: &Graph, layout: &Layout, node: usize, bar: usize, lane: i32) -> Option<Vec<(i32, i32)>> {
    let root = root(graph, node, bar)?;
    let uplink = graph.nodes[node].bars[root].uplink?;
    let x = riser(&layout.nodes[node], root) - LANE * (lane + 1);
    Some(vec![(x, find_lane_below(layout, node, bar, lane)), (x, layout.uplinks[uplink].bottom() + 6 + lane * LANE)])
}
