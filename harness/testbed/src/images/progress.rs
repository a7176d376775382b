//! How a build reports its progress.

use std::time::Duration;

/// Gets a build's steps. Implementations must not block for long: the build itself calls them.
pub trait Progress: Send + Sync {
    /// A step begins, for example `node/kubernetes: k8s.io/kubernetes v1.35.4`. One line in a log.
    fn step(&self, what: &str);

    /// What the running step does just now (a package compiled, a file fetched). Comes often; for a line that is
    /// overwritten, not for a log.
    fn note(&self, what: &str);

    /// A step has ended well after `took`.
    fn done(&self, what: &str, took: Duration);

    /// Something that must not be overlooked and does not stop the build, such as a Debian package that moved.
    fn warn(&self, what: &str);
}

/// Drops all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _what: &str) {}
    fn note(&self, _what: &str) {}
    fn done(&self, _what: &str, _took: Duration) {}
    fn warn(&self, _what: &str) {}
}
