//! Elements of a picture. Every text goes through [`escape`]: names and findings are untrusted.

use std::fmt::Write as _;

/// Elements, in the order in which they are painted.
#[derive(Default)]
pub(super) struct Canvas {
    out: String,
}

/// Width of a character of the font, in pixels: 0.602 of 12 pixels in the widest of the fonts named, and a little more.
pub(super) const CHAR: i32 = 7;
/// The part lost by the rounding of [`CHAR`], in hundredths.
const REST: i32 = 25;
/// From line to line.
pub(super) const LINE: i32 = 17;
/// Longer texts are cut in the middle. The tooltip has the whole text.
pub(super) const LONGEST: usize = 72;

/// The width of a text as [`Canvas::text`] shows it, in pixels.
pub(super) fn width(text: &str) -> i32 {
    whole(&shown(text))
}

/// The width of a text as [`Canvas::whole`] shows it, in pixels.
pub(super) fn whole(text: &str) -> i32 {
    let n = i32::try_from(crate::escape::line(text).chars().count()).unwrap_or(i32::MAX / 1000);
    n * CHAR + n * REST / 100
}

/// The shown text: control characters are escaped, and a long text is cut in its middle.
pub(super) fn shown(text: &str) -> String {
    let text = crate::escape::line(text);
    let n = text.chars().count();
    if n <= LONGEST {
        return text;
    }
    let half = (LONGEST - 3) / 2;
    let (head, tail): (String, String) = (text.chars().take(half).collect(), text.chars().skip(n - half).collect());
    format!("{head}...{tail}")
}

/// Text escaped for XML. Characters that XML 1.0 forbids (section 2.2) were escaped before or are left out.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in crate::escape::block(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

impl Canvas {
    /// A box with round corners.
    pub(super) fn rect(&mut self, class: &str, at: Rect) {
        let Rect { x, y, w, h } = at;
        let _ =
            writeln!(self.out, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"5\"/>");
    }

    /// A line of text, cut if it is too long. `y` is its base line.
    pub(super) fn text(&mut self, class: &str, x: i32, y: i32, text: &str) {
        self.whole(class, x, y, &shown(text));
    }

    /// A line of text, never cut.
    pub(super) fn whole(&mut self, class: &str, x: i32, y: i32, text: &str) {
        let text = escape(&crate::escape::line(text));
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = writeln!(self.out, "<text{class} x=\"{x}\" y=\"{y}\">{text}</text>");
    }

    /// A line through points.
    pub(super) fn line(&mut self, class: &str, points: &[(i32, i32)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let _ = writeln!(self.out, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
    }

    /// A dot.
    pub(super) fn dot(&mut self, class: &str, x: i32, y: i32, r: i32) {
        let _ = writeln!(self.out, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>");
    }

    /// Elements until [`Canvas::close`] have this tooltip.
    pub(super) fn open(&mut self, tooltip: &str) {
        let _ = writeln!(self.out, "<g><title>{}</title>", escape(tooltip));
    }

    /// Ends the group of [`Canvas::open`].
    pub(super) fn close(&mut self) {
        self.out.push_str("</g>\n");
    }

    /// The elements.
    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// A place on the canvas, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

impl Rect {
    /// The right edge.
    pub(super) fn right(self) -> i32 {
        self.x + self.w
    }

    /// The lower edge.
    pub(super) fn bottom(self) -> i32 {
        self.y + self.h
    }
}
