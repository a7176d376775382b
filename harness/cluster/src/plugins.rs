//! The plugins on the nodes: Plumbline's and the user's replacements. They are written and renamed, and checked by hash.

use crate::naming::full_hash;
use crate::node::{File, Node};
use crate::step::{Found, Notes};
use futures::future::try_join_all;
use plumbline_core::protocol::{Op, Outcome};
use plumbline_testbed::cache::file_sha256;
use plumbline_testbed::context::Options;
use plumbline_testbed::error::{AtStage, TestbedError, causes};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folder in which containerd and Multus look for plugins on the nodes.
pub const FOLDER: &str = "/opt/cni/bin";
/// The folder of new plugins until each of them has started once.
const WAITING: &str = "/opt/cni/.plumbline-new";
const STAGE: &str = "install-plugins";
/// Calls a plugin with VERSION, the only call that needs no configuration (CNI spec, section 3, "VERSION").
const TRY: &str = include_str!("try_plugins.sh");

/// The plugins that a node must have: name to file on this host and its hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set(pub BTreeMap<String, Plugin>);

/// One plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// File on this host.
    pub path: PathBuf,
    /// SHA-256, lower-case hex.
    pub hash: String,
}

impl Set {
    /// Plumbline's plugins from `folder`, overridden by those of `--cni-path` (the first folder wins), then by those of
    /// `--plugin`.
    ///
    /// # Errors
    /// `TestbedError` when a folder or file can't be read, with its path.
    pub async fn gather(folder: &Path, options: &Options) -> Result<Self, TestbedError> {
        let mut files = list_executables(folder)?;
        for folder in options.cni_path.iter().rev() {
            files.extend(list_executables(folder)?);
        }
        files.extend(options.plugins.clone());
        // Hashed in pieces: twenty whole plugins are 80 MB.
        let hashing = files.into_iter().map(|(name, path)| {
            tokio::task::spawn_blocking(move || {
                let hash = file_sha256(&path).map_err(|error| {
                    TestbedError::new(STAGE, format!("read plugin {name} at {}: {}", path.display(), causes(&error)))
                })?;
                Ok((name, Plugin { hash, path }))
            })
        });
        let hashed = try_join_all(hashing).await.at_stage(STAGE)?;
        Ok(Self(hashed.into_iter().collect::<Result<_, TestbedError>>()?))
    }

    /// A hash of the whole set.
    pub fn hash(&self) -> String {
        let lines: Vec<_> = self.0.iter().map(|(name, plugin)| format!("{name} {}", plugin.hash)).collect();
        full_hash(lines.join("\n").as_bytes())
    }

    /// The names of plugins that `node` lacks or has with other content.
    async fn list_different(&self, node: &Node) -> Result<Vec<String>, TestbedError> {
        let path = |name: &str| format!("{FOLDER}/{name}");
        let paths = self.0.keys().map(|name| path(name)).collect();
        let Outcome::Hashes(hashes) = node.call(Op::Hash { paths }).await? else {
            return Err(TestbedError::new(
                STAGE,
                format!("the agent on {}: expected hashes, found another answer", node.name),
            ));
        };
        let differs = |(name, plugin): &(&String, &Plugin)| hashes.get(&path(name)) != Some(&plugin.hash);
        Ok(self.0.iter().filter(differs).map(|(name, _)| name.clone()).collect())
    }

    /// Checks that every node has the whole set, byte for byte.
    ///
    /// # Errors
    /// `TestbedError` when a node does not answer.
    pub async fn check(&self, nodes: &[Node]) -> Result<Found, TestbedError> {
        let different = try_join_all(nodes.iter().map(|node| self.list_different(node))).await?;
        let lacking = nodes.iter().zip(different).find(|(_, names)| !names.is_empty());
        Ok(lacking.map_or(Found::Good, |(node, names)| {
            Found::Lacking(format!("node {} lacks, or has with other content: {}", node.name, names.join(", ")))
        }))
    }

    /// Installs the missing plugins on every node. Each new plugin is started there first, with `CNI_COMMAND=VERSION`.
    ///
    /// # Errors
    /// `TestbedError` with the plugin that does not start on the node. Then the node's plugins are unchanged.
    pub async fn install(&self, nodes: &[Node], notes: &Notes) -> Result<(), TestbedError> {
        for node in nodes {
            let names = self.list_different(node).await?;
            if names.is_empty() {
                continue;
            }
            notes.note(format!("copying {} plugins to node {}", names.len(), node.name));
            let mut files = Vec::new();
            for name in &names {
                let path = &self.0[name].path;
                let bytes = std::fs::read(path).at_stage(&format!("read plugin {name} at {}", path.display()))?;
                files.push(File { path: format!("{WAITING}/{name}"), mode: 0o755, bytes });
            }
            node.write_files(files).await?;
            self.try_and_move(node).await?;
        }
        Ok(())
    }

    async fn try_and_move(&self, node: &Node) -> Result<(), TestbedError> {
        let tried = node.run(&["sh", "-c", TRY, "sh", WAITING, FOLDER]).await?;
        if tried.code == Some(0) {
            return Ok(());
        }
        // The script's last line is "<name>: <its output>".
        let refused = tried.stdout.lines().last().unwrap_or_default().to_owned();
        let name = refused.split(':').next().unwrap_or_default();
        let from = self.0.get(name).map_or_else(String::new, |p| format!(" ({})", p.path.display()));
        let message = if refused.is_empty() { tried.stderr.trim().to_owned() } else { refused.clone() };
        Err(TestbedError::new(STAGE, format!("a plugin{from} does not start on node {}: {message}", node.name)).with_hint(
            "a binary that is linked to this host's libraries often does not start: use a static one, or one built for the node's system",
        ))
    }
}

/// The executable files of a folder, by name.
fn list_executables(folder: &Path) -> Result<BTreeMap<String, PathBuf>, TestbedError> {
    let stage = format!("read plugin folder {}", folder.display());
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).at_stage(&stage)? {
        let path = entry.at_stage(&stage)?.path();
        let about = std::fs::metadata(&path).at_stage(&stage)?;
        let name = path.file_name().and_then(|n| n.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|_| about.is_file() && about.permissions().mode() & 0o111 != 0) {
            found.insert(name, path);
        }
    }
    Ok(found)
}
