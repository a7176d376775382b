//! Text from pods, plugins and nodes is untrusted: it may not move the cursor, colour the screen or turn the
//! reading direction of a line.

/// Escapes every control character and every bidirectional override of one line; a newline is escaped too.
/// Text already escaped stays as it is.
pub fn line(text: &str) -> String {
    escape(text, false)
}

/// As [`line`], but newlines stay and a tab becomes one blank, for transcripts.
pub fn block(text: &str) -> String {
    escape(text, true)
}

fn escape(text: &str, keep_newlines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if keep_newlines => out.push('\n'),
            '\t' if keep_newlines => out.push(' '),
            c if is_hidden(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Whether a character is a control character, or turns the direction of writing.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || is_direction(c)
}

/// The bidirectional controls of Unicode (UAX 9, section 2), by which a line can be shown in another order than
/// it is written.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
}

#[cfg(test)]
mod tests {
    use super::{block, line};

    #[test]
    fn escapes_what_would_move_the_cursor() {
        assert_eq!(line("a\x1b[2Jb\r\nc"), "a\\u{1b}[2Jb\\r\\nc");
        assert_eq!(line("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(block("a\n\tb\x07"), "a\n b\\u{7}");
    }

    #[test]
    fn escaping_twice_changes_nothing() {
        let once = block("a\x1b[31m\nb\\c");
        assert_eq!(block(&once), once);
    }

    #[test]
    fn leaves_other_scripts_alone() {
        assert_eq!(line("größe 网络"), "größe 网络");
    }
}
