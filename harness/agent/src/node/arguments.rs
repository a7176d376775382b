//! The command line of mode `node`.

use std::path::PathBuf;

use thiserror::Error;

use super::privileges::Privileges;

/// A command line that is wrong.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ArgumentsError {
    /// An option without its value.
    #[error("{0}: expected a value")]
    NoValue(String),
    /// An option that does not exist, or a value that it does not take.
    #[error("node: unknown argument {0} {1}")]
    Unknown(String, String),
    /// `--plugin` or `--program` with another value than `NAME=PATH`.
    #[error("{0}: expected NAME=PATH, found {1:?}")]
    NotNamed(String, String),
}

/// A plugin or program whose path does not exist.
#[derive(Debug, Error)]
#[error("find {}: {source}", path.display())]
pub struct PathError {
    path: PathBuf,
    source: std::io::Error,
}

/// The options of mode `node`.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// `--privileges`; none means the first that work.
    pub privileges: Option<Privileges>,
    /// `--cni-path`, in order: an earlier folder wins.
    pub folders: Vec<PathBuf>,
    /// `--plugin`: takes precedence over every folder.
    pub plugins: Vec<(String, PathBuf)>,
    /// `--program`: programs beside the plugins.
    pub programs: Vec<(String, PathBuf)>,
    /// `--outside`: the network namespace whose paired interfaces the node may use; only a virtual machine has them.
    pub outside: Option<PathBuf>,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// The argument that is wrong.
    pub fn parse(arguments: &[String]) -> Result<Self, ArgumentsError> {
        let mut parsed = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest.next().ok_or_else(|| ArgumentsError::NoValue(argument.clone()))?;
            match argument.as_str() {
                "--privileges" if Privileges::by_name(value).is_some() => {
                    parsed.privileges = Privileges::by_name(value);
                }
                "--cni-path" => parsed.folders.push(PathBuf::from(value)),
                "--plugin" => parsed.plugins.push(parse_named(argument, value)?),
                "--program" => parsed.programs.push(parse_named(argument, value)?),
                "--outside" => parsed.outside = Some(PathBuf::from(value)),
                _ => return Err(ArgumentsError::Unknown(argument.clone(), value.clone())),
            }
        }
        Ok(parsed)
    }

    /// Makes every path absolute and resolves links: in the node's root a link would lead elsewhere.
    ///
    /// # Errors
    /// The path that does not exist.
    pub fn resolve_paths(&mut self) -> Result<(), PathError> {
        let named = self.plugins.iter_mut().chain(&mut self.programs).map(|(_, path)| path);
        for path in self.folders.iter_mut().chain(named) {
            *path = path.canonicalize().map_err(|source| PathError { path: path.clone(), source })?;
        }
        Ok(())
    }

    /// The command line that [`parse`](Self::parse) turns into the same options.
    pub fn to_command_line(&self) -> Vec<String> {
        let mut line = Vec::new();
        let mut push = |name: &str, value: String| line.extend([name.to_owned(), value]);
        if let Some(privileges) = self.privileges {
            push("--privileges", privileges.name().to_owned());
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

fn parse_named(argument: &str, value: &str) -> Result<(String, PathBuf), ArgumentsError> {
    match value.split_once('=') {
        Some((name, path)) if !name.is_empty() && !name.contains('/') && !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err(ArgumentsError::NotNamed(argument.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Arguments, ArgumentsError> {
        Arguments::parse(&line.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_written_command_line_parses_to_the_same_options() {
        let line = ["--privileges", "rootless", "--cni-path", "/a", "--cni-path", "/b", "--plugin", "macvlan=/c/d"];
        assert_eq!(parse(&line).unwrap().to_command_line(), line);
    }

    #[test]
    fn a_plugin_without_a_path_is_refused() {
        for value in ["macvlan", "macvlan=", "=/a", "a/b=/c"] {
            assert!(matches!(parse(&["--plugin", value]), Err(ArgumentsError::NotNamed(..))), "{value}");
        }
    }
}
