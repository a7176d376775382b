//! The files of a folder or a layer, as data, and how they are laid out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::pins::Pins;
use super::recipe::StepRef;
use crate::exec::Cmd;

/// One thing that is put into a folder or a layer. Paths in it are absolute, seen from its top.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Item {
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

impl Item {
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

/// Where the parts of a tree come from.
pub(super) struct Parts<'a> {
    /// Results of steps.
    pub steps: &'a BTreeMap<StepRef, PathBuf>,
    /// Folders of Go modules, by pin.
    pub modules: &'a BTreeMap<String, PathBuf>,
    /// The recipe's folder.
    pub folder: &'a Path,
    /// The pins.
    pub pins: &'a Pins,
}

impl Parts<'_> {
    /// The folder of a step's result.
    pub(super) fn step(&self, step: &StepRef) -> Result<&Path> {
        self.steps
            .get(step)
            .map(PathBuf::as_path)
            .with_context(|| format!("step {step:?} was not built before it is used"))
    }

    /// Lays all items out below `top`.
    pub(super) async fn lay_out(&self, items: &[Item], top: &Path) -> Result<()> {
        for item in items {
            self.lay_out_one(item, top).await.with_context(|| format!("failed to lay out {item:?}"))?;
        }
        Ok(())
    }

    async fn lay_out_one(&self, item: &Item, top: &Path) -> Result<()> {
        match item {
            Item::Programs(item) => {
                let from = self.step(&item.from)?;
                let names = if item.only.is_empty() { names(from)? } else { item.only.clone() };
                for name in names {
                    copy(&from.join(&name), &below(top, &item.to)?.join(&name), 0o755)?;
                }
                Ok(())
            }
            Item::Module(item) => {
                let module =
                    self.modules.get(&item.pin).with_context(|| format!("module {} was not fetched", item.pin))?;
                copy(&module.join(&item.path), &below(top, &item.to)?, mode(&item.mode)?)
            }
            Item::Files(item) => copy(&self.folder.join(&item.path), &below(top, &item.to)?, mode(&item.mode)?),
            Item::Folder(item) => {
                let path = below(top, &item.path)?;
                fs::create_dir_all(&path)?;
                Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode(&item.mode)?))?)
            }
            Item::Link(item) => {
                let path = below(top, &item.path)?;
                make_parent(&path)?;
                Ok(std::os::unix::fs::symlink(&item.to, &path)?)
            }
            Item::Text(item) => {
                let path = below(top, &item.path)?;
                make_parent(&path)?;
                fs::write(&path, self.pins.fill(&item.text)?)?;
                Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?)
            }
            Item::Edit(item) => {
                let path = below(top, &item.path)?;
                let text = fs::read_to_string(&path)?;
                match text.matches(&item.find).count() {
                    1 => Ok(fs::write(&path, text.replace(&item.find, &item.put))?),
                    found => bail!("`{}` is there {found} times, not once", item.find),
                }
            }
            Item::RuntimeSpec(item) => {
                let ctr = self.step(&item.from)?.join("ctr");
                let spec = Cmd::new(&ctr).args(["oci", "spec"]).run_ok().await?.stdout;
                let path = below(top, &item.path)?;
                make_parent(&path)?;
                Ok(fs::write(&path, pod_spec(&spec, &item.create_container_hook)?)?)
            }
        }
    }
}

/// The spec without process limits and with the hook.
fn pod_spec(spec: &str, hook: &str) -> Result<String> {
    let mut spec: serde_json::Value = serde_json::from_str(spec).context("`ctr oci spec` gave no JSON")?;
    let process = spec.get_mut("process").and_then(|process| process.as_object_mut());
    process.context("the spec has no `process`")?.remove("rlimits");
    let hooks =
        spec.as_object_mut().context("the spec is no object")?.entry("hooks").or_insert_with(|| serde_json::json!({}));
    hooks["createContainer"] = serde_json::json!([{ "path": hook }]);
    Ok(serde_json::to_string_pretty(&spec)? + "\n")
}

/// `path` below `top`; refused where it would lead out of it.
fn below(top: &Path, path: &str) -> Result<PathBuf> {
    let relative = path.strip_prefix('/').with_context(|| format!("`{path}` is not absolute"))?;
    if Path::new(relative).components().any(|part| !matches!(part, Component::Normal(_))) {
        bail!("`{path}` has `.` or `..` in it");
    }
    Ok(top.join(relative))
}

fn mode(text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .with_context(|| format!("`{text}` is no octal mode such as \"0644\""))
}

fn make_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), |parent| {
        fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))
    })
}

/// The names in a folder, sorted; records that the builder keeps beside programs are left out.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !super::record::is_record(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Copies a file, or all of a folder, with the given mode for files.
fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    if from.is_dir() {
        for name in names(from)? {
            copy(&from.join(&name), &to.join(&name), mode)?;
        }
        return Ok(());
    }
    make_parent(to)?;
    fs::copy(from, to).with_context(|| format!("failed to copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))
        .with_context(|| format!("failed to set the mode of {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_top() {
        let top = Path::new("/top");
        assert_eq!(below(top, "/etc/x").unwrap(), Path::new("/top/etc/x"));
        assert!(below(top, "/../x").is_err());
        assert!(below(top, "etc/x").is_err());
    }

    #[test]
    fn the_pod_spec_has_the_hook_and_no_limits() {
        let spec = r#"{"process": {"rlimits": [1], "cwd": "/"}, "root": {}}"#;
        let made: serde_json::Value = serde_json::from_str(&pod_spec(spec, "/hook").unwrap()).unwrap();
        assert_eq!(made["process"], serde_json::json!({"cwd": "/"}));
        assert_eq!(made["hooks"]["createContainer"][0]["path"], "/hook");
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0644").unwrap(), 0o644);
        assert!(mode("0888").is_err() && mode("17777").is_err());
    }
}
