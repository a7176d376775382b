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

/// One part of a folder's or a layer's content. Paths in it are absolute, seen from its top.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TreeItem {
    /// Programs of a step.
    Programs(Programs),
    /// Files out of a pinned Go module.
    Module(ModuleFiles),
    /// Files out of the recipe's folder.
    Files(RecipeFiles),
    /// A folder.
    Folder(EmptyFolder),
    /// A symbolic link.
    Link(Link),
    /// A small text file.
    Text(Text),
    /// A text that an earlier item laid out, changed in one place.
    Edit(Edit),
    /// containerd's default OCI spec for pods.
    RuntimeSpec(RuntimeSpec),
}

/// Programs of a step, mode 0755.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// Which step.
    pub from: StepRef,
    /// Which of its programs; all where none is named.
    #[serde(default)]
    pub only: Vec<String>,
    /// The folder they go to.
    pub to: String,
}

/// Files out of a pinned Go module.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleFiles {
    /// Which pin.
    pub pin: String,
    /// A file or folder in the module.
    pub path: String,
    /// The place it goes to.
    pub to: String,
    /// Mode of its files, octal.
    pub mode: String,
}

/// Files out of the recipe's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeFiles {
    /// A file or folder beside the recipe.
    pub path: String,
    /// The place it goes to.
    pub to: String,
    /// Mode of its files, octal.
    pub mode: String,
}

/// A folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyFolder {
    /// Its path.
    pub path: String,
    /// Its mode, octal.
    pub mode: String,
}

/// A symbolic link.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its path.
    pub path: String,
    /// What it points at.
    pub to: String,
}

/// A small text file, mode 0644.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Its path.
    pub path: String,
    /// Its content (may name versions).
    pub text: String,
}

/// A change of a text. What is looked for must be there exactly once, so that a new version of the text is noticed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file.
    pub path: String,
    /// What is there.
    pub find: String,
    /// What shall be there.
    pub put: String,
}

/// The OCI runtime spec that `ctr oci spec` gives, without process limits (a host may not be able to raise them), and
/// with a hook, as kind's node image has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RuntimeSpec {
    /// The step that has `ctr`.
    pub from: StepRef,
    /// The file.
    pub path: String,
    /// Program of the hook that runs when a container is created.
    pub create_container_hook: String,
}

impl TreeItem {
    /// The steps whose results it takes.
    pub(super) fn needs(&self) -> Option<&StepRef> {
        match self {
            Self::Programs(item) => Some(&item.from),
            Self::RuntimeSpec(item) => Some(&item.from),
            _ => None,
        }
    }

    /// The pin whose module it takes files from.
    pub(super) fn module(&self) -> Option<&str> {
        match self {
            Self::Module(item) => Some(&item.pin),
            _ => None,
        }
    }
}
