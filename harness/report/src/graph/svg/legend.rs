//! Below the picture: the paths as text, and the meaning of colours.

use super::canvas::{Canvas, LINE, whole, width};
use super::layout::MARGIN;
use super::routes::{badge, class};
use crate::graph::model::{Graph, PathState};

/// Draws it from `y` on. Widens the picture for long texts. Gives the picture's height.
pub(super) fn draw(canvas: &mut Canvas, graph: &Graph, y: i32, wide: &mut i32) -> i32 {
    let mut y = y + 4;
    if !graph.paths.is_empty() {
        canvas.text("name", MARGIN, y, "paths");
    }
    for path in &graph.paths {
        y += LINE + 8;
        badge(canvas, class(&path.state), MARGIN + 9, y - 4, path.number);
        let x = MARGIN + 28;
        canvas.whole("", x, y, &path.text);
        *wide = (*wide).max(x + whole(&path.text) + MARGIN);
        let style = if matches!(path.state, PathState::Failed(_)) { "bad" } else { "good" };
        let words = path.state.words();
        let more = std::iter::once((style, &words)).chain(path.stations.iter().map(|station| ("quiet", station)));
        for (class, line) in more.filter(|(_, line)| !line.is_empty()) {
            y += LINE;
            canvas.whole(class, x, y, line);
            *wide = (*wide).max(x + whole(line) + MARGIN);
        }
    }
    if !graph.paths.is_empty() {
        y += LINE + 14;
    }
    let words: &[(&str, &str)] = if graph.observed {
        &[
            ("good", "as requested: requested and found"),
            ("bad", "MISSING: requested, not found"),
            ("bad", "NOT REQUESTED: found, must not be there"),
            ("quiet", "observed: found, not requested"),
        ]
    } else {
        &[("quiet", "Requested state only; no run."), ("quiet", "Rest the pointer on a box for more.")]
    };
    let mut x = MARGIN;
    for (class, text) in words {
        if x > MARGIN && x + width(text) + MARGIN > *wide {
            x = MARGIN;
            y += LINE;
        }
        canvas.text(class, x, y, text);
        x += width(text) + 28;
    }
    y + 18
}
