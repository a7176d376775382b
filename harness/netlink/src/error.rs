//! Errors of requests to the kernel's routing netlink.

use std::io;

use nix::errno::Errno;

/// The result of every request in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed request. `what` names the request, such as `add route 10.0.0.0/8`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused the request.
    #[error("{what}: {}{}", errno_text(*errno), detail.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Kernel {
        /// The request that was refused.
        what: String,
        /// The kernel's reason.
        errno: Errno,
        /// The kernel's message (extended acknowledgement), if any, such as `Nexthop has invalid gateway`.
        detail: Option<String>,
    },
    /// A system call on the socket or on a namespace's file failed.
    #[error("{what}: {}", io_text(source))]
    Io {
        /// What was being done, with its path where there is one.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// The answer cannot be used.
    #[error("{what}: {problem}")]
    Answer {
        /// The request.
        what: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The program entered another namespace and cannot return; it must end.
    #[error("return to the previous network namespace: {}", errno_text(*errno))]
    Stranded {
        /// Why `setns` refused.
        errno: Errno,
    },
}

impl Error {
    /// The errno behind the error, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Kernel { errno, .. } | Self::Stranded { errno } => Some(*errno),
            Self::Io { source, .. } => source.raw_os_error().map(Errno::from_raw),
            Self::Answer { .. } => None,
        }
    }

    /// Whether the errno behind the error is this one.
    pub fn is(&self, errno: Errno) -> bool {
        self.errno() == Some(errno)
    }

    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { what: what.into(), source: source.into() }
    }
}

/// An errno as text without a leading capital, such as `network is unreachable` or `file exists`.
///
/// Go programs, and so most CNI plugins, print the same text for an errno.
pub fn errno_text(errno: Errno) -> String {
    // Errno::desc names the transport endpoint, which is the text of the other errno of the same number.
    if errno == Errno::EOPNOTSUPP {
        return "operation not supported".to_owned();
    }
    let text = errno.desc();
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..])
        }
        _ => text.to_owned(),
    }
}

fn io_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => errno_text(Errno::from_raw(code)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errno_texts_are_those_of_go() {
        assert_eq!(errno_text(Errno::ENETUNREACH), "network is unreachable");
        assert_eq!(errno_text(Errno::EEXIST), "file exists");
        assert_eq!(errno_text(Errno::EHOSTUNREACH), "no route to host");
        assert_eq!(errno_text(Errno::EOPNOTSUPP), "operation not supported");
    }

    #[test]
    fn a_refusal_names_request_reason_and_message() {
        let error = Error::Kernel {
            what: "add route 10.0.0.0/8".into(),
            errno: Errno::ENETUNREACH,
            detail: Some("Nexthop has invalid gateway".into()),
        };
        assert_eq!(error.to_string(), "add route 10.0.0.0/8: network is unreachable (Nexthop has invalid gateway)");
        assert!(error.is(Errno::ENETUNREACH));
    }
}
