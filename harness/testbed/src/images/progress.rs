//! How a build reports its progress.

use std::time::Duration;

/// Receives a build's steps. Implementations must not block for long, because the build itself calls them.
pub trait Progress: Send + Sync {
    /// A step begins, for example `node/kubernetes: k8s.io/kubernetes v1.35.4`. One line in a log.
    fn step(&self, _what: &str) {}

    /// The current action of the running step (compiling a package, downloading a file). It is called often, for a line that is
    /// overwritten, not for a log.
    fn note(&self, _what: &str) {}

    /// A step has succeeded after `took`.
    fn done(&self, _what: &str, _took: Duration) {}

    /// A warning that does not stop the build, such as a Debian package with another version.
    fn warn(&self, _what: &str) {}
}

/// Drops all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
