//! Colours: few, each beside a word with the same meaning. The writer of the text decides if they are shown
//! (anstream strips them).

use anstyle::{AnsiColor, Style};

/// Of PASS.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Of FAIL and of errors.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Of ERROR.
pub const ERROR: Style = AnsiColor::Magenta.on_default().bold();
/// Of SKIP and of warnings.
pub const DOUBT: Style = AnsiColor::Yellow.on_default().bold();
/// Of secondary text.
pub const QUIET: Style = Style::new().dimmed();

/// `text` in `style`.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// `text` without any escape sequence of ours.
pub fn strip(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
