//! Writes files on a node beside their places and renames them. So no process starts an incomplete program, and replacing a
//! running program does not fail with "text file busy".

use plumbline_testbed::engine::{self, Engine};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::ids::new_id;
use std::time::Duration;

const STAGE: &str = "node";
const RENAME: &str = include_str!("write_files.sh");

/// A file to write on a node.
pub struct File {
    /// Absolute path. The path of its folder has at most 80 bytes.
    pub path: String,
    /// Mode bits.
    pub mode: u32,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Writes files in a container, each beside its place, and renames them. Missing folders are created.
pub(crate) async fn write_files(engine: &Engine, container: &str, files: Vec<File>) -> Result<(), TestbedError> {
    let id = new_id();
    let mut pairs = Vec::new();
    let mut archive = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let new = temporary_path(&file.path, &id, number);
        archive.push(engine::ArchiveFile {
            path: new.trim_start_matches('/').to_owned(),
            mode: file.mode,
            content: file.bytes,
        });
        pairs.extend([new, file.path]);
    }
    engine.put_files(container, "/", &archive).await?;
    let mut argv = vec!["sh", "-c", RENAME, "sh"];
    argv.extend(pairs.iter().map(String::as_str));
    engine.exec_ok(STAGE, container, &argv, None, Duration::from_secs(30)).await.map(drop)
}

/// The path of a file before its rename: in the same folder, with a name that no other process uses. It begins with a dot, so
/// that programs that list the folder skip it.
fn temporary_path(path: &str, id: &str, number: usize) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/.plb-{id}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_testbed::exec::Cmd;

    #[test]
    fn two_writes_of_a_file_have_different_temporary_paths() {
        let at = |id: &str| temporary_path("/opt/plumbline/agent-1", id, 0);
        assert_ne!(at("r1"), at("r2"));
        assert_eq!(at("r1"), "/opt/plumbline/.plb-r1-0");
    }

    #[tokio::test]
    async fn every_file_is_renamed_and_a_failed_rename_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for (name, text) in [(".plb-r-0", "new"), ("tool", "old"), (".plb-r-1", "lost"), (".plb-other-0", "another's")]
        {
            std::fs::write(at(name), text).unwrap();
        }
        let pairs = [at(".plb-r-0"), at("tool"), at(".plb-r-1"), at("no/such/folder/tool")];
        let done = Cmd::new("sh").args(["-c", RENAME, "sh"]).args(pairs).run().await.unwrap();
        assert!(!done.ok(), "a failed rename is an error");
        assert_eq!(std::fs::read_to_string(at("tool")).unwrap(), "new");
        let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".plb-other-0", "tool"], "the temporary file of another process stays");
    }
}
