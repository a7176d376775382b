//! The guest's first root: the agent as its init, and the user's plugins.

use crate::context::Context;
use crate::netns::binaries::{PLUGINS_VARIABLE, WHEREABOUTS, find_agent, find_whereabouts, read_override};
use plumbline_core::guest::{GIVEN, PLUGINS, TERWAY, TERWAY_BACKEND, TERWAY_PLUGIN};
use plumbline_testbed::cache::{KeyMaker, file_sha256};
use plumbline_testbed::cpio::Writer;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::images::guest;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// The parts of a first root on this host.
#[derive(Debug, Clone)]
pub struct FirstRoot {
    /// The folder with kernel, early modules and disk.
    pub guest: PathBuf,
    /// The agent.
    agent: PathBuf,
    /// Files of the first root beside it: path below [`GIVEN`], and where it is on this host.
    files: Vec<(String, PathBuf)>,
    /// The arguments of the agent that makes a node.
    pub node: Vec<String>,
    /// Parts that developers' variables replace, each a line.
    pub overrides: Vec<String>,
}

impl FirstRoot {
    /// Finds all parts. Builds missing ones into the cache.
    ///
    /// # Errors
    /// [`TestbedError`] when one can't be found or built.
    pub async fn find(cx: &Context) -> Result<Self, TestbedError> {
        let mut overrides = Vec::new();
        let agent = find_agent(cx, &mut overrides).await?;
        let plugins = read_override(PLUGINS_VARIABLE, &mut overrides);
        let guest = cx.images.guest().await?;
        let mut root = Self { guest, agent, files: vec![], node: vec!["node".to_owned()], overrides };
        for (name, path) in &cx.options.plugins {
            let at = root.add(path.clone(), "");
            root.node.extend(["--plugin".to_owned(), format!("{name}={at}")]);
        }
        if let Some(path) = find_whereabouts(cx).await? {
            let at = root.add(path, "");
            root.node.extend(["--plugin".to_owned(), format!("{WHEREABOUTS}={at}")]);
        }
        for folder in cx.options.cni_path.iter().chain(&plugins) {
            root.add_folder(folder)?;
        }
        root.add_terway(cx);
        if plugins.is_none() {
            root.node.extend(["--cni-path".to_owned(), PLUGINS.to_owned()]);
        }
        Ok(root)
    }

    /// Adds the parts for a scenario with a device as ENI: Terway's own plugin or the user's, the stand-in for its daemon, and the
    /// namespace of the machine's interfaces, which is that of its init.
    fn add_terway(&mut self, cx: &Context) {
        let plugin = match cx.options.plugins.get(TERWAY_PLUGIN) {
            Some(path) => self.add(path.clone(), ""),
            None => format!("{TERWAY}/terway"),
        };
        self.node.extend(["--outside".to_owned(), "/proc/1/ns/net".to_owned()]);
        self.node.extend(["--program".to_owned(), format!("{TERWAY_PLUGIN}={plugin}")]);
        let backend = format!("{TERWAY_BACKEND}={TERWAY}/plumbline-terway-backend");
        self.node.extend(["--program".to_owned(), backend]);
    }

    /// Adds a file, below the named folder or under a number. Gives its path in the guest.
    fn add(&mut self, path: PathBuf, below: &str) -> String {
        let name = match below {
            "" => self.files.len().to_string(),
            folder => format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy()),
        };
        self.files.push((name.clone(), path));
        format!("{GIVEN}/{name}")
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), TestbedError> {
        let stage = format!("list {}", folder.display());
        let below = format!("path{}", self.files.len());
        let mut plugins = Vec::new();
        for entry in std::fs::read_dir(folder).at_stage(&stage)? {
            let path = entry.at_stage(&stage)?.path();
            let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            if path.is_file() && !hidden {
                plugins.push(path);
            }
        }
        plugins.sort();
        for path in plugins {
            self.add(path, &below);
        }
        self.node.extend(["--cni-path".to_owned(), format!("{GIVEN}/{below}")]);
        Ok(())
    }

    /// Adds all parts to a key.
    ///
    /// # Errors
    /// [`TestbedError`] when a file can't be read.
    pub fn add_to_key(&self, key: KeyMaker) -> Result<KeyMaker, TestbedError> {
        const STAGE: &str = "name the machine";
        // Its folder is named by its content.
        let mut key = key.part("guest", self.guest.to_string_lossy().as_bytes());
        key = key.part("agent", file_sha256(&self.agent).at_stage(STAGE)?.as_bytes());
        for (name, path) in &self.files {
            key = key.part(name, file_sha256(path).at_stage(STAGE)?.as_bytes());
        }
        Ok(key.part("node", self.node.join(" ").as_bytes()))
    }

    /// Writes the first root.
    ///
    /// # Errors
    /// [`TestbedError`] with the path.
    pub fn write(&self, to: &Path) -> Result<(), TestbedError> {
        let write = || -> std::io::Result<()> {
            let mut out = BufWriter::new(File::create(to)?);
            std::io::copy(&mut File::open(self.guest.join(guest::EARLY))?, &mut out)?;
            let mut archive = Writer::new(out);
            archive.copy("init", 0o755, &self.agent)?;
            archive.folder("given")?;
            let mut made = "";
            for (name, path) in &self.files {
                if let Some((folder, _)) = name.split_once('/').filter(|(folder, _)| *folder != made) {
                    archive.folder(&format!("given/{folder}"))?;
                    made = folder;
                }
                archive.copy(&format!("given/{name}"), 0o755, path)?;
            }
            archive.finish().map(drop)
        };
        write().at_stage(&format!("write {}", to.display()))
    }
}
