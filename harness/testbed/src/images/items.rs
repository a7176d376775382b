//! The content of a folder or a layer, as data of a recipe.

use serde::{Deserialize, Serialize};

/// A reference to a step: `id` (of the same recipe) or `recipe/id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepRef(String);

impl StepRef {
    /// Recipe and step, for a reference in the recipe `here`.
    pub fn resolve<'a>(&'a self, here: &'a str) -> (&'a str, &'a str) {
        self.0.split_once('/').unwrap_or((here, &self.0))
    }
}

impl From<&str> for StepRef {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// One part of a folder's or a layer's content. Its paths are absolute, relative to the top. Modes are octal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum TreeItem {
    /// Programs of a step, mode 0755.
    Programs {
        /// The step.
        from: StepRef,
        /// The programs of the step; all by default.
        #[serde(default)]
        only: Vec<String>,
        /// The target folder.
        to: String,
    },
    /// Files from a pinned Go module.
    Module {
        /// The pin.
        pin: String,
        /// A file or folder in the module.
        path: String,
        /// The target path.
        to: String,
        /// Mode of its files.
        mode: String,
    },
    /// Files from the recipe's folder.
    Files {
        /// A file or folder beside the recipe.
        path: String,
        /// The target path.
        to: String,
        /// Mode of its files.
        mode: String,
    },
    /// An empty folder.
    Folder {
        /// Its path.
        path: String,
        /// Its mode.
        mode: String,
    },
    /// A symbolic link.
    Link {
        /// Its path.
        path: String,
        /// Its target.
        to: String,
    },
    /// A small text file, mode 0644.
    Text {
        /// Its path.
        path: String,
        /// Its content, which may contain versions.
        text: String,
    },
    /// A change of a text of an earlier item. The searched text must occur exactly once, so that a new version of the file is
    /// noticed.
    Edit {
        /// The file.
        path: String,
        /// The searched text.
        find: String,
        /// The new text.
        put: String,
    },
    /// The OCI runtime spec of `ctr oci spec`, without process limits (a host may not be able to raise them), and with a hook,
    /// as in kind's node image.
    RuntimeSpec {
        /// The step that has `ctr`.
        from: StepRef,
        /// The file.
        path: String,
        /// Program of the hook that runs when a container is created.
        create_container_hook: String,
    },
}

impl TreeItem {
    /// The step whose result it needs.
    pub(super) fn dependencies(&self) -> Option<&StepRef> {
        match self {
            Self::Programs { from, .. } | Self::RuntimeSpec { from, .. } => Some(from),
            _ => None,
        }
    }

    /// The pin of the module whose files it needs.
    pub(super) fn module(&self) -> Option<&str> {
        match self {
            Self::Module { pin, .. } => Some(pin),
            _ => None,
        }
    }
}
