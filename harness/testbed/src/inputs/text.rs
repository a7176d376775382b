//! From bytes to texts with a name, and problems with a place.

use super::limits::limit_of;
use std::io;

/// The byte order mark that some editors put before UTF-8; kubectl reads past it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputText {
    /// The path as the user named it, with the path in a folder or an archive after it; `stdin` for standard input.
    pub name: String,
    /// The content, without a byte order mark.
    pub text: String,
    /// Whether the user named this file, and not a folder or an archive that holds it.
    pub is_named: bool,
}

/// Something that a user named and that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .name, .message)]
pub struct InputProblem {
    /// Its name, as in [`InputText::name`].
    pub name: String,
    /// Line, counted from 1; 0 when the whole is meant.
    pub line: usize,
    /// Column, counted from 1; 0 when the whole line is meant.
    pub column: usize,
    /// What is wrong: a lower-case fragment.
    pub message: String,
}

impl InputProblem {
    /// A problem of a whole file.
    pub fn new(name: impl Into<String>, message: impl ToString) -> Self {
        Self { name: name.into(), line: 0, column: 0, message: message.to_string() }
    }

    /// A reader's error, or the bound that it is about.
    pub(super) fn io(name: impl Into<String>, error: &io::Error) -> Self {
        match limit_of(error) {
            Some(limit) => Self::new(name, limit),
            None => Self::new(name, error),
        }
    }
}

impl InputText {
    /// A text of these bytes.
    ///
    /// # Errors
    /// The place of the first byte that is not UTF-8.
    pub fn decode(name: String, bytes: Vec<u8>) -> Result<Self, InputProblem> {
        match String::from_utf8(bytes) {
            Ok(mut text) => {
                if text.starts_with(BYTE_ORDER_MARK) {
                    text.remove(0);
                }
                Ok(Self { name, text, is_named: false })
            }
            Err(error) => {
                let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
                Err(InputProblem { name, line, column, message: "not UTF-8".to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_not_utf8_has_a_place_in_characters() {
        let problem = InputText::decode("a".into(), b"one\n\xc3\xa9\xff".to_vec()).unwrap_err();
        assert_eq!((problem.line, problem.column, problem.message.as_str()), (2, 2, "not UTF-8"));
        let utf16 = InputText::decode("a".into(), b"\xff\xfea\0".to_vec()).unwrap_err();
        assert_eq!((utf16.line, utf16.column), (1, 1));
    }

    #[test]
    fn a_byte_order_mark_is_left_out() {
        assert_eq!(InputText::decode("a".into(), b"\xef\xbb\xbfa: 1".to_vec()).unwrap().text, "a: 1");
    }
}
