//! The plugins on the nodes: ours and what stands in their place, by write and rename, checked by hash.

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

/// Where containerd and Multus look for plugins on the nodes.
pub const FOLDER: &str = "/opt/cni/bin";
/// Where new ones wait until they were seen to start.
const WAITING: &str = "/opt/cni/.plumbline-new";
const STAGE: &str = "install-plugins";
/// Asks a plugin for its versions, the one call that needs no configuration (CNI spec, section 3, "VERSION").
const TRY: &str = include_str!("try_plugins.sh");

/// The plugins that a node should have: name to file on this host and its hash.
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
    /// Ours from `folder`, then those of `--cni-path` (the first folder wins), then those of `--plugin`.
    ///
    /// # Errors
    /// `TestbedError` when a folder or file can't be read, with its path.
    pub async fn gather(folder: &Path, options: &Options) -> Result<Self, TestbedError> {
        let mut files = executables(folder)?;
        for folder in options.cni_path.iter().rev() {
            files.extend(executables(folder)?);
        }
        files.extend(options.plugins.clone());
        // In pieces: whole, twenty plugins at once are 80 MB.
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

    /// One hash of the whole set.
    pub fn hash(&self) -> String {
        let lines: Vec<_> = self.0.iter().map(|(name, plugin)| format!("{name} {}", plugin.hash)).collect();
        full_hash(lines.join("\n").as_bytes())
    }

    /// The names that `node` lacks or has otherwise.
    async fn differing(&self, node: &Node) -> Result<Vec<String>, TestbedError> {
        let path = |name: &str| format!("{FOLDER}/{name}");
        let paths = self.0.keys().map(|name| path(name)).collect();
        let Outcome::Hashes(hashes) = node.call(Op::Hash { paths }).await? else {
            return Err(TestbedError::new(
                STAGE,
                format!("the agent on {} answered something else than hashes", node.name),
            ));
        };
        let differs = |(name, plugin): &(&String, &Plugin)| hashes.get(&path(name)) != Some(&plugin.hash);
        Ok(self.0.iter().filter(differs).map(|(name, _)| name.clone()).collect())
    }

    /// Whether every node has the whole set, byte for byte.
    ///
    /// # Errors
    /// `TestbedError` when a node can't be asked.
    pub async fn check(&self, nodes: &[Node]) -> Result<Found, TestbedError> {
        let differing = try_join_all(nodes.iter().map(|node| self.differing(node))).await?;
        let wanting = nodes.iter().zip(differing).find(|(_, names)| !names.is_empty());
        Ok(wanting.map_or(Found::Good, |(node, names)| {
            Found::Wanting(format!("node {} lacks, or has otherwise: {}", node.name, names.join(", ")))
        }))
    }

    /// Installs what is wanting on every node. What is new is started there first, with `CNI_COMMAND=VERSION`.
    ///
    /// # Errors
    /// `TestbedError` naming the plugin that does not start on the node; then nothing of the node's was changed.
    pub async fn make(&self, nodes: &[Node], notes: &Notes) -> Result<(), TestbedError> {
        for node in nodes {
            let names = self.differing(node).await?;
            if names.is_empty() {
                continue;
            }
            notes.note(format!("{} plugins to node {}", names.len(), node.name));
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
        let tried = node.ran(&["sh", "-c", TRY, "sh", WAITING, FOLDER]).await?;
        if tried.code == Some(0) {
            return Ok(());
        }
        // The script's last line is "<name>: <what it said>".
        let refused = tried.stdout.lines().last().unwrap_or_default().to_owned();
        let name = refused.split(':').next().unwrap_or_default();
        let from = self.0.get(name).map_or_else(String::new, |p| format!(" ({})", p.path.display()));
        let said = if refused.is_empty() { tried.stderr.trim().to_owned() } else { refused.clone() };
        Err(TestbedError::new(STAGE, format!("a plugin{from} does not start on node {}: {said}", node.name)).with_hint(
            "a binary linked to this host's libraries often does not: give a static one, or one built for the node's system",
        ))
    }
}

/// The executable files of a folder, by name.
fn executables(folder: &Path) -> Result<BTreeMap<String, PathBuf>, TestbedError> {
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
