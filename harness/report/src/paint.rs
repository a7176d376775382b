//! Colours: few, always beside a word that says the same. Whether they are shown is decided where the text is
//! written (anstream strips them), never here.

use anstyle::{AnsiColor, Style};

/// Of PASS.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Of FAIL and of errors.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Of ERROR.
pub const ERROR: Style = AnsiColor::Magenta.on_default().bold();
/// Of SKIP and of warnings.
pub const DOUBT: Style = AnsiColor::Yellow.on_default().bold();
/// Of what is said in passing.
pub const QUIET: Style = Style::new().dimmed();

/// `text` in `style`.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// `text` without any escape sequence of ours.
pub fn strip(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
