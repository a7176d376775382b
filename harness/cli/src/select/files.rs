//! Files as the scenario reader may see them: regular, small, and inside the folders that belong to the suite.

use plumbline_core::scenario::{LoadError, Loader, MAX_FILE_BYTES};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Reads files below some folders and nowhere else, links followed to where they lead.
#[derive(Debug, Clone)]
pub struct SuiteFiles {
    allowed: Vec<PathBuf>,
    /// The folder with Plumbline's own templates.
    templates: Option<String>,
}

impl SuiteFiles {
    /// The folders whose files may be read; those that are not there are left out.
    pub fn below(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { allowed: folders.into_iter().filter_map(|f| std::fs::canonicalize(f).ok()).collect(), templates: None }
    }

    /// For one scenario file: its own folder, the project's folder and the current one.
    pub fn of(scenario: &Path, root: Option<&Path>) -> Self {
        let own = scenario.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folders = [own.to_owned()].into_iter().chain(root.map(Path::to_owned)).chain(std::env::current_dir().ok());
        let templates = root.and_then(|root| Some(root.join("suites/templates").to_str()?.to_owned()));
        Self { templates, ..Self::below(folders) }
    }
}

impl Loader for SuiteFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        let refused = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => LoadError::NotFound,
            _ => LoadError::Refused(error.to_string()),
        };
        let real = std::fs::canonicalize(path).map_err(refused)?;
        if !self.allowed.iter().any(|folder| real.starts_with(folder)) {
            return Err(LoadError::Refused(format!("it leads to {}, outside the suite's folders", real.display())));
        }
        let meta = std::fs::metadata(&real).map_err(refused)?;
        if !meta.is_file() {
            return Err(LoadError::Refused("not a regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&real).map_err(refused)?;
        file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(refused)?;
        Ok(bytes)
    }

    fn shared_templates(&self) -> Option<&str> {
        self.templates.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_out_of_the_suite_is_refused() {
        let dir = std::env::temp_dir().join(format!("plumbline-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("in.yaml"), "a: 1").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.join("out.yaml")).unwrap();
        let files = SuiteFiles::below([dir.clone()]);
        let inside = files.read(dir.join("in.yaml").to_str().unwrap());
        let outside = files.read(dir.join("out.yaml").to_str().unwrap());
        let folder = files.read(dir.to_str().unwrap());
        let nothing = files.read(dir.join("no.yaml").to_str().unwrap());
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(inside, Ok(b"a: 1".to_vec()));
        assert!(matches!(outside, Err(LoadError::Refused(why)) if why.contains("outside")));
        assert!(matches!(folder, Err(LoadError::Refused(_))));
        assert_eq!(nothing, Err(LoadError::NotFound));
    }
}
