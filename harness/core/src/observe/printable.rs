//! Foreign text (of pods, plugins, files) made safe for a terminal.

/// The text with every control character but line feed and tab escaped as `\u{..}`, and with the characters
/// that turn the direction of writing escaped too; so that no escape sequence of a hostile pod gets through.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() && c != '\n' && c != '\t') || turns {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_and_direction_marks_are_shown_as_text() {
        assert_eq!(super::printable("a\u{1b}[2Jb\r\u{202e}c\n\td"), "a\\u{1b}[2Jb\\u{d}\\u{202e}c\n\td");
    }
}
