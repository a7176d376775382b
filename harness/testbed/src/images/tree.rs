//! Lays out the content of a folder or a layer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use super::items::{StepRef, TreeItem};
use super::pins::Pins;
use crate::build_error::{Context as _, Result, refuse};
use crate::exec::Cmd;

/// The sources of the content of a tree.
pub(super) struct TreeSources<'a> {
    /// Results of steps.
    pub steps: BTreeMap<StepRef, PathBuf>,
    /// Folders of Go modules, by pin.
    pub modules: BTreeMap<String, PathBuf>,
    /// The recipe's folder.
    pub folder: &'a Path,
    /// The pins.
    pub pins: &'a Pins,
}

impl TreeSources<'_> {
    /// The folder of a step's result.
    pub(super) fn step(&self, step: &StepRef) -> Result<&Path> {
        self.steps
            .get(step)
            .map(PathBuf::as_path)
            .with_context(|| format!("step {step:?} was not built before it is used"))
    }

    /// Lays all items out below `top`.
    pub(super) async fn lay_out(&self, items: &[TreeItem], top: &Path) -> Result<()> {
        for item in items {
            self.lay_out_one(item, top).await.with_context(|| format!("failed to lay out {item:?}"))?;
        }
        Ok(())
    }

    async fn lay_out_one(&self, item: &TreeItem, top: &Path) -> Result<()> {
        match item {
            TreeItem::Programs { from, only, to } => {
                let from = self.step(from)?;
                let names = if only.is_empty() { list_names(from)? } else { only.clone() };
                let to = join_below(top, to)?;
                names.iter().try_for_each(|name| copy_files(&from.join(name), &to.join(name), 0o755))
            }
            TreeItem::Module { pin, path, to, mode } => {
                let module = self.modules.get(pin).with_context(|| format!("module {pin} was not fetched"))?;
                copy_files(&module.join(path), &join_below(top, to)?, parse_mode(mode)?)
            }
            TreeItem::Files { path, to, mode } => {
                copy_files(&self.folder.join(path), &join_below(top, to)?, parse_mode(mode)?)
            }
            TreeItem::Folder { path, mode } => {
                let path = join_below(top, path)?;
                fs::create_dir_all(&path)?;
                Ok(fs::set_permissions(&path, fs::Permissions::from_mode(parse_mode(mode)?))?)
            }
            TreeItem::Link { path, to } => Ok(std::os::unix::fs::symlink(to, make_parent(top, path)?)?),
            TreeItem::Text { path, text } => {
                let path = make_parent(top, path)?;
                fs::write(&path, self.pins.fill(text)?)?;
                Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?)
            }
            TreeItem::Edit { path, find, put } => {
                let path = join_below(top, path)?;
                let text = fs::read_to_string(&path)?;
                match text.matches(find).count() {
                    1 => Ok(fs::write(&path, text.replace(find, put))?),
                    found => refuse!("expected `{find}` once, found it {found} times"),
                }
            }
            TreeItem::RuntimeSpec { from, path, create_container_hook } => {
                let ctr = self.step(from)?.join("ctr");
                let spec = Cmd::new(&ctr).args(["oci", "spec"]).run_ok().await?.stdout;
                Ok(fs::write(make_parent(top, path)?, edit_pod_spec(&spec, create_container_hook)?)?)
            }
        }
    }
}

/// The spec without process limits and with the hook.
fn edit_pod_spec(spec: &str, hook: &str) -> Result<String> {
    let mut spec: serde_json::Value = serde_json::from_str(spec).context("`ctr oci spec` printed no JSON")?;
    let process = spec.get_mut("process").and_then(|process| process.as_object_mut());
    process.context("the spec has no `process`")?.remove("rlimits");
    let hooks =
        spec.as_object_mut().context("the spec is no object")?.entry("hooks").or_insert_with(|| serde_json::json!({}));
    hooks["createContainer"] = serde_json::json!([{ "path": hook }]);
    Ok(serde_json::to_string_pretty(&spec)? + "\n")
}

/// `path` below `top`; a path that leads outside is refused.
fn join_below(top: &Path, path: &str) -> Result<PathBuf> {
    let relative = path.strip_prefix('/').with_context(|| format!("`{path}` is not absolute"))?;
    if Path::new(relative).components().any(|part| !matches!(part, Component::Normal(_))) {
        refuse!("`{path}` has `.` or `..` in it");
    }
    Ok(top.join(relative))
}

fn parse_mode(text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .with_context(|| format!("`{text}` is no octal mode such as \"0644\""))
}

/// `path` below `top`. Its parent folder is created.
fn make_parent(top: &Path, path: &str) -> Result<PathBuf> {
    let path = join_below(top, path)?;
    make_folder_of(&path)?;
    Ok(path)
}

fn make_folder_of(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), |parent| {
        fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))
    })
}

/// The names in a folder, sorted, without the builder's own records.
pub(super) fn list_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !super::lock::is_record(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Copies a file, or a folder with its content, with the given mode for files.
fn copy_files(from: &Path, to: &Path, mode: u32) -> Result<()> {
    if from.is_dir() {
        for name in list_names(from)? {
            copy_files(&from.join(&name), &to.join(&name), mode)?;
        }
        return Ok(());
    }
    make_folder_of(to)?;
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
        assert_eq!(join_below(top, "/etc/x").unwrap(), Path::new("/top/etc/x"));
        assert!(join_below(top, "/../x").is_err());
        assert!(join_below(top, "etc/x").is_err());
    }

    #[test]
    fn the_pod_spec_has_the_hook_and_no_limits() {
        let spec = r#"{"process": {"rlimits": [1], "cwd": "/"}, "root": {}}"#;
        let made: serde_json::Value = serde_json::from_str(&edit_pod_spec(spec, "/hook").unwrap()).unwrap();
        assert_eq!(made["process"], serde_json::json!({"cwd": "/"}));
        assert_eq!(made["hooks"]["createContainer"][0]["path"], "/hook");
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("0644").unwrap(), 0o644);
        assert!(parse_mode("0888").is_err() && parse_mode("17777").is_err());
    }
}
