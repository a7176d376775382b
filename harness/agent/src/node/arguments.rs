//! The command line of `node`.

use std::path::PathBuf;

use plumbline_core::protocol::Fault;

use crate::exit::Failure;

/// Which way to a node is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// With the privileges this process has.
    Root,
    /// With a user namespace.
    User,
}

impl Rung {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
        }
    }
}

/// What `node` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// `--rung`; none means the first that works.
    pub rung: Option<Rung>,
    /// `--cni-path`, in order: an earlier folder wins.
    pub folders: Vec<PathBuf>,
    /// `--plugin`: wins over every folder.
    pub plugins: Vec<(String, PathBuf)>,
    /// `--program`: what is put beside the plugins without being one.
    pub programs: Vec<(String, PathBuf)>,
    /// `--outside`: the network namespace whose paired interfaces the node may borrow; only a virtual machine has them.
    pub outside: Option<PathBuf>,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// [`Failure::Usage`] that names the argument.
    pub fn read(arguments: &[String]) -> Result<Self, Failure> {
        let mut read = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest.next().ok_or_else(|| Failure::Usage(format!("{argument} needs a value")))?;
            match argument.as_str() {
                "--rung" if value == "root" => read.rung = Some(Rung::Root),
                "--rung" if value == "user" => read.rung = Some(Rung::User),
                "--cni-path" => read.folders.push(PathBuf::from(value)),
                "--plugin" => read.plugins.push(plugin(value)?),
                "--program" => read.programs.push(plugin(value)?),
                "--outside" => read.outside = Some(PathBuf::from(value)),
                _ => return Err(Failure::Usage(format!("node does not know {argument} {value}"))),
            }
        }
        Ok(read)
    }

    /// Makes every path absolute and free of links: in the node's root a link would lead elsewhere.
    ///
    /// # Errors
    /// [`Failure::Unable`] with the path that is not there.
    pub fn resolve(&mut self) -> Result<(), Failure> {
        let named = self.plugins.iter_mut().chain(&mut self.programs).map(|(_, path)| path);
        for path in self.folders.iter_mut().chain(named) {
            *path = path.canonicalize().map_err(|error| {
                let doing = format!("find the plugins in {}", path.display());
                Failure::Unable(Fault { doing, cause: error.to_string(), gone: false })
            })?;
        }
        Ok(())
    }

    /// The command line that `read` turns into this again.
    #[must_use]
    pub fn write(&self) -> Vec<String> {
        let mut line = Vec::new();
        let mut push = |name: &str, value: String| line.extend([name.to_owned(), value]);
        if let Some(rung) = self.rung {
            push("--rung", rung.name().to_owned());
        }
        self.folders.iter().for_each(|folder| push("--cni-path", folder.display().to_string()));
        self.plugins.iter().for_each(|(name, path)| push("--plugin", format!("{name}={}", path.display())));
        self.programs.iter().for_each(|(name, path)| push("--program", format!("{name}={}", path.display())));
        if let Some(outside) = &self.outside {
            push("--outside", outside.display().to_string());
        }
        line
    }
}

fn plugin(value: &str) -> Result<(String, PathBuf), Failure> {
    match value.split_once('=') {
        Some((name, path)) if !name.is_empty() && !name.contains('/') && !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err(Failure::Usage(format!("--plugin wants NAME=PATH, not {value:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Arguments, Failure> {
        Arguments::read(&line.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let line = ["--rung", "user", "--cni-path", "/a", "--cni-path", "/b", "--plugin", "macvlan=/c/d"];
        assert_eq!(read(&line).unwrap().write(), line);
    }

    #[test]
    fn a_plugin_without_a_path_is_refused() {
        for value in ["macvlan", "macvlan=", "=/a", "a/b=/c"] {
            assert!(matches!(read(&["--plugin", value]), Err(Failure::Usage(_))), "{value}");
        }
    }
}
