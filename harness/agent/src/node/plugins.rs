//! The CNI plugins of a private node: bound from the host and linked into one folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use plumbline_core::record::RECORDER_SUFFIX;

use super::arguments::Arguments;
use super::mounts::{SetupError, bind_mount, create_file, create_folder, create_link};

/// The node's `CNI_PATH`: one folder with a link for each plugin.
pub const PLUGIN_FOLDER: &str = "/opt/cni/bin";

/// The folder of programs that are no plugins.
pub const PROGRAM_FOLDER: &str = "/opt/plumbline";

/// The plugins of the node.
#[derive(Debug, Clone, Default)]
pub struct Plugins {
    /// Names, as linked into [`PLUGIN_FOLDER`].
    pub names: BTreeSet<String>,
    /// The host's paths of the plugins, in the order of the search.
    pub sources: Vec<String>,
}

impl Plugins {
    /// The path of a plugin; none when no folder has it, or when its link is broken.
    pub fn path(&self, plugin: &str) -> Option<String> {
        let path = format!("{PLUGIN_FOLDER}/{plugin}");
        Path::new(&path).exists().then_some(path)
    }

    /// The search path as text, with the host's folders, because a user can change those.
    pub fn describe_search(&self) -> String {
        match self.sources.is_empty() {
            true => format!("{PLUGIN_FOLDER}, which has no plugins"),
            false => format!("{PLUGIN_FOLDER}, filled from {}", self.sources.join(", ")),
        }
    }
}

/// Binds folders of plugins and single plugins from the host's root at `host_root`, and links all of them into
/// [`PLUGIN_FOLDER`]: single plugins first, then the folders in their order. Adds the paths to be made read-only.
///
/// # Errors
/// The step that the host refused.
pub fn bind_plugins(
    arguments: &Arguments,
    host_root: &Path,
    read_only: &mut Vec<String>,
) -> Result<Plugins, SetupError> {
    let on_host = |path: &Path| host_root.join(path.strip_prefix("/").unwrap_or(path));
    let mut plugins = Plugins::default();
    for (number, (name, path)) in arguments.plugins.iter().enumerate() {
        let at = format!("/opt/cni/plugin/{number}");
        create_folder("/opt/cni/plugin")?;
        create_file(&at)?;
        bind_mount(&on_host(path), &at)?;
        read_only.push(at.clone());
        plugins.sources.push(path.display().to_string());
        read_only.extend(bind_recorder(name, &on_host(path), &at)?);
        link_plugin(&mut plugins, name.clone(), PathBuf::from(at))?;
    }
    for (name, path) in &arguments.programs {
        let at = format!("{PROGRAM_FOLDER}/{name}");
        create_folder(PROGRAM_FOLDER)?;
        create_file(&at)?;
        bind_mount(&on_host(path), &at)?;
        read_only.push(at);
    }
    for (number, path) in arguments.folders.iter().enumerate() {
        let at = format!("/opt/cni/path/{number}");
        create_folder(&at)?;
        bind_mount(&on_host(path), &at)?;
        read_only.push(at.clone());
        plugins.sources.push(path.display().to_string());
        let entries = fs::read_dir(&at).map_err(|error| SetupError::new(format!("list {}", path.display()), error))?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Hidden files of a cache or an editor are no plugins.
            if name.ends_with(RECORDER_SUFFIX) {
                link_recorder(entry.path(), &name)?;
            } else if !name.starts_with('.') {
                link_plugin(&mut plugins, name, entry.path())?;
            }
        }
    }
    Ok(plugins)
}

/// Binds the recorder's file of a single plugin, if there is one beside it. Returns the path to be made read-only.
fn bind_recorder(name: &str, plugin: &Path, at: &str) -> Result<Option<String>, SetupError> {
    let host = PathBuf::from(format!("{}{RECORDER_SUFFIX}", plugin.display()));
    if !host.is_file() {
        return Ok(None);
    }
    let at = format!("{at}{RECORDER_SUFFIX}");
    create_file(&at)?;
    bind_mount(&host, &at)?;
    link_recorder(PathBuf::from(&at), &format!("{name}{RECORDER_SUFFIX}"))?;
    Ok(Some(at))
}

/// Links a recorder's file to where its plugin reads it, unless an earlier plugin of that name has one.
fn link_recorder(path: PathBuf, name: &str) -> Result<(), SetupError> {
    let at = Path::new(PLUGIN_FOLDER).join(name);
    if at.is_symlink() { Ok(()) } else { create_link(path, at) }
}

fn link_plugin(plugins: &mut Plugins, name: String, path: PathBuf) -> Result<(), SetupError> {
    if plugins.names.insert(name.clone()) {
        create_link(path, Path::new(PLUGIN_FOLDER).join(name))?;
    }
    Ok(())
}
