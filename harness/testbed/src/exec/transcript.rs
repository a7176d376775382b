//! The outcome of a command, with a command line that can be pasted into a shell.

use crate::error::TestbedError;
use std::sync::Arc;
use std::time::Duration;

/// The end of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessEnd {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It was killed at its deadline.
    Deadline(Duration),
}

impl std::fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProcessEnd::Code(code) => write!(f, "exit code {code}"),
            ProcessEnd::Signal(signal) => write!(f, "signal {signal}"),
            ProcessEnd::Deadline(after) => write!(f, "killed at its deadline of {:.1} s", after.as_secs_f64()),
        }
    }
}

/// A command that was run to its end.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// How it ended.
    pub ending: ProcessEnd,
    /// Standard output, lossily decoded, cut at the cap.
    pub stdout: String,
    /// Standard error, lossily decoded, cut at the cap.
    pub stderr: String,
    /// Wall time.
    pub duration: Duration,
}

impl Transcript {
    /// Whether it exited with code 0.
    pub fn ok(&self) -> bool {
        self.ending == ProcessEnd::Code(0)
    }

    /// The command as a line for a shell.
    pub fn line(&self) -> String {
        shell_line(&self.argv)
    }

    /// This transcript, if it ended with code 0.
    ///
    /// # Errors
    /// [`ExecError::Failed`] with the command line, the end, and the last part of its output.
    pub fn success(self) -> Result<Self, ExecError> {
        if self.ok() {
            return Ok(self);
        }
        let printed =
            [&self.stderr, &self.stdout].into_iter().map(|text| tail(text, 2000)).find(|text| !text.is_empty());
        Err(ExecError::Failed {
            line: self.line(),
            ending: self.ending,
            seconds: self.duration.as_secs_f64(),
            printed: printed.unwrap_or_else(|| "it printed nothing".into()),
        })
    }
}

/// The reason why a command failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecError {
    /// It could not be started.
    #[error("cannot start `{line}`: {source}")]
    NotStarted {
        /// The command line.
        line: String,
        /// The system's error.
        source: Arc<std::io::Error>,
    },
    /// It did not exit with code 0.
    #[error("`{line}` failed: {ending} after {seconds:.1} s: {printed}")]
    Failed {
        /// The command line.
        line: String,
        /// How it ended.
        ending: ProcessEnd,
        /// Wall time in seconds.
        seconds: f64,
        /// The last part of its output.
        printed: String,
    },
}

impl ExecError {
    /// The same as a testbed error at `stage`.
    pub fn testbed_error(&self, stage: &str) -> TestbedError {
        TestbedError::new(stage, self.clone())
    }
}

/// The last `max` bytes of a text, cut at a line break if possible.
fn tail(text: &str, max: usize) -> String {
    let text = text.trim();
    if text.len() <= max {
        return text.to_string();
    }
    let cut = &text[text.ceil_char_boundary(text.len() - max)..];
    let cut = cut.split_once('\n').map_or(cut, |(_, rest)| rest);
    format!("(cut) {cut}")
}

/// Quotes the arguments for a shell.
pub(super) fn shell_line(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    let quote = |argument: &String| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_quoted_for_a_shell() {
        let argv = ["sh", "-c", "echo 'a b'"].map(String::from);
        assert_eq!(shell_line(&argv), r"sh -c 'echo '\''a b'\'''");
    }

    #[test]
    fn the_tail_starts_at_a_line() {
        assert_eq!(tail("first line\nsecond\nthird", 14), "(cut) second\nthird");
        assert_eq!(tail("short\n", 100), "short");
    }
}
