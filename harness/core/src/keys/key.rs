//! One key of a configuration, and the releases that read it.

use super::json_type::JsonType;
use crate::release::Release;

/// A key that at least one release of a plugin knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The keys that lead to it from the top of the configuration, and its own at the end. Lists add nothing to it:
    /// `gateway` of an element of `ipam.addresses` is `["ipam", "addresses", "gateway"]`.
    pub path: Vec<String>,
    /// What the decoder accepts.
    pub json_type: JsonType,
    /// The first release known to have it; of the releases that were read, unless a reviewed line says more exactly.
    pub since: Release,
    /// The first release known to be without it again.
    pub until: Option<Release>,
    /// Whether any code reads it. A key that is only decoded has no effect.
    pub read: bool,
    /// Whether letters count: the decoder of a struct ignores the case of a key, a map does not.
    pub exact_case: bool,
    /// Whether it is for the runtime or the program itself, and not for users to write.
    pub internal: bool,
    /// Whether another key has taken its place; the note says which.
    pub deprecated: bool,
    /// What a reader has to know of it, from a reviewed line.
    pub note: Option<String>,
    /// Module, release, file and line that declare it, such as
    /// `github.com/containernetworking/plugins@v1.3.0 plugins/main/bridge/bridge.go:60`.
    pub source: String,
    /// The newest release known to be without it before `since`; none if no older one was read.
    pub(super) last_without: Option<Edge>,
    /// The newest release known to have it before `until`.
    pub(super) last_with: Option<Edge>,
}

/// What is known of the releases just before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// This release was read; those between it and the change were not.
    Read(Release),
    /// A reviewed line names the release of the change exactly.
    Exact,
}

impl Edge {
    /// Whether a release before the change is known to be like the one at the edge.
    fn covers(self, release: Release) -> bool {
        match self {
            Self::Read(edge) => release <= edge,
            Self::Exact => true,
        }
    }
}

/// Whether a release has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// The release has the key.
    Read,
    /// The key came in a later release.
    NotYet,
    /// The key went in this release or an earlier one.
    NoLonger,
    /// The release was not read, and those around it differ or there are none.
    Unknown,
}

impl Key {
    /// The key itself: the last element of its path.
    pub fn name(&self) -> &str {
        self.path.last().map(String::as_str).unwrap_or_default()
    }

    /// The keys that lead to it.
    pub fn parent(&self) -> &[String] {
        self.path.split_last().map(|(_, parent)| parent).unwrap_or_default()
    }

    /// Whether the decoder takes a key of a document for this one.
    pub fn matches(&self, key: &str) -> bool {
        self.name() == key || (!self.exact_case && self.name().eq_ignore_ascii_case(key))
    }

    /// Whether a release has the key. A release newer than all that were read counts as the newest of them.
    pub fn state_in(&self, release: Release) -> KeyState {
        if release < self.since {
            return match self.last_without.is_some_and(|edge| edge.covers(release)) {
                true => KeyState::NotYet,
                false => KeyState::Unknown,
            };
        }
        match self.until {
            Some(until) if release >= until => KeyState::NoLonger,
            Some(_) if !self.last_with.is_some_and(|edge| edge.covers(release)) => KeyState::Unknown,
            _ => KeyState::Read,
        }
    }
}
