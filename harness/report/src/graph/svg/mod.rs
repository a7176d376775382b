//! A picture as SVG: hosts and uplinks on top, nodes as boxes with their links, pods inside.
//!
//! | module | what is in it |
//! |---|---|
//! | `canvas` | elements with escaped text |
//! | `layout` | positions of all elements: sizes from the texts, in a font of fixed width |
//! | `draw` | boxes, links, texts |
//! | `routes` | the paths of packets, along the links |
//! | `legend` | the meaning of colours, and the paths as text |
//!
//! No layout engine: the shape of a scenario is fixed, so every position can be computed. Colours are classes of a
//! style sheet with a second set for dark backgrounds. The picture has its own background, so it is readable on
//! any page.

mod canvas;
mod draw;
mod layout;
mod legend;
mod routes;

use super::model::Graph;
use canvas::Canvas;

/// The style sheet: colours for light and for dark pages.
const STYLE: &str = include_str!("style.css");

/// The picture. Ends with a newline.
pub fn write(graph: &Graph) -> String {
    let mut layout = layout::Layout::of(graph);
    let mut canvas = Canvas::default();
    draw::ground(&mut canvas, graph, &layout);
    draw::links(&mut canvas, graph, &layout);
    routes::lines(&mut canvas, graph, &layout);
    draw::boxes(&mut canvas, graph, &layout);
    routes::ends(&mut canvas, graph, &layout);
    layout.height = legend::draw(&mut canvas, graph, layout.height, &mut layout.width);
    let (width, height) = (layout.width, layout.height);
    let (name, summary) = (canvas::escape(&graph.name), canvas::escape(&graph.summary));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{name}</title>\n<desc>{summary}</desc>\n\
         <style>\n{STYLE}</style>\n<rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n{}</svg>\n",
        canvas.finish()
    )
}
