//! The content of a folder or a layer, as data of a recipe.

use serde::{Deserialize, Serialize};

/// A step by `id` (of the same recipe) or `recipe/id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepRef(String);

impl StepRef {
    /// Recipe and step, seen from the recipe `here`.
    pub fn resolve<'a>(&'a self, here: &'a str) -> (&'a str, &'a str) {
        self.0.split_once('/').unwrap_or((here, &self.0))
    }
}

impl From<&str> for StepRef {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// One part of a folder's or a layer's content. Paths in it are absolute, seen from its top. Modes are octal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum TreeItem {
    /// Programs of a step, mode 0755.
    Programs {
        /// Which step.
        from: StepRef,
        /// Which of its programs; all where none is named.
        #[serde(default)]
        only: Vec<String>,
        /// The folder they go to.
        to: String,
    },
    /// Files out of a pinned Go module.
    Module {
        /// Which pin.
        pin: String,
        /// A file or folder in the module.
        path: String,
        /// The place it goes to.
        to: String,
        /// Mode of its files.
        mode: String,
    },
    /// Files out of the recipe's folder.
    Files {
        /// A file or folder beside the recipe.
        path: String,
        /// The place it goes to.
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
        /// What it points at.
        to: String,
    },
    /// A small text file, mode 0644.
    Text {
        /// Its path.
        path: String,
        /// Its content (may name versions).
        text: String,
    },
    /// A change of a text that an earlier item laid out. What is looked for must be there exactly once, so that a new
    /// version of the text is noticed.
    Edit {
        /// The file.
        path: String,
        /// What is there.
        find: String,
        /// What shall be there.
        put: String,
    },
    /// The OCI runtime spec that `ctr oci spec` gives, without process limits (a host may not be able to raise them), and
    /// with a hook, as kind's node image has it.
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
    /// The steps whose results it takes.
    pub(super) fn dependencies(&self) -> Option<&StepRef> {
        match self {
            Self::Programs { from, .. } | Self::RuntimeSpec { from, .. } => Some(from),
            _ => None,
        }
    }

    /// The pin whose module it takes files from.
    pub(super) fn module(&self) -> Option<&str> {
        match self {
            Self::Module { pin, .. } => Some(pin),
            _ => None,
        }
    }
}
