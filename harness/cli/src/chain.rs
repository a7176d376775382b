//! `plumbline chain`: the user's files; the crate `terway` does what concerns a cluster.

use crate::select::{Refused, SuiteFiles};
use crate::{exit, fault};
use plumbline_core::lint::InputFile;
use plumbline_core::scenario::Loader as _;
use plumbline_core::terway::{self, Applied, EniConfig, LintReport, Planned, Shown, Usage};
use plumbline_terway::chain::handle::ClusterTarget;
use plumbline_terway::chain::operations::{self, ChangeError, ChangeRequest};
use serde::Serialize;
use std::io::Read as _;
use std::path::Path;

/// The file name that stands for standard input.
const STDIN: &str = "-";
/// The most bytes that are read there: the largest ConfigMap of Kubernetes.
const MAX_STDIN: u64 = 1_048_576;
const NODES: &str = "--nodes: a file has no nodes; fix: name a cluster with --context or --profile";
const SOURCE: &str = "expected a FILE, or a cluster with --context or --profile";

/// The result of a lint.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Linted {
    /// The file or cluster.
    pub source: String,
    /// Whether it has a failure; under `--strict`, or a warning.
    pub failed: bool,
    /// The report.
    #[serde(flatten)]
    pub report: LintReport,
    /// The file's text, for excerpts.
    #[serde(skip)]
    pub files: Vec<InputFile>,
}

/// Reads an `eni-config` from a user's file in any folder. `-` is standard input.
///
/// # Errors
/// [`Refused`] with file, line and field.
pub fn read(file: &Path) -> Result<EniConfig, Refused> {
    read_with_text(file).map(|(config, _)| config)
}

/// As [`read`], with the text.
fn read_with_text(file: &Path) -> Result<(EniConfig, InputFile), Refused> {
    if file == Path::new(STDIN) {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(MAX_STDIN + 1).read_to_string(&mut text);
        read.map_err(|error| Refused::one(format!("standard input: {error}")))?;
        if text.len() as u64 > MAX_STDIN {
            return Err(Refused::one(format!("standard input: larger than {MAX_STDIN} bytes")));
        }
        let config = fault::name_file("standard input", || EniConfig::read("stdin", &text));
        let config = config.map_err(|error| Refused::one(error.to_string()))?;
        return Ok((config, InputFile::new("stdin", text)));
    }
    let name = file.to_str().ok_or_else(|| Refused::one(format!("{}: the path is not UTF-8", file.display())))?;
    // A link is followed: the user names the file, and it names no other file.
    let real = std::fs::canonicalize(file).ok();
    let folders = [real.as_deref(), Some(file)].into_iter().flatten().filter_map(Path::parent);
    let files = SuiteFiles::below(folders.map(Path::to_owned));
    let config = fault::name_file(name, || EniConfig::load(name, &files));
    let config = config.map_err(|error| Refused::one(error.to_string()))?;
    let text = files.read(name).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    Ok((config, InputFile::new(name, text)))
}

/// Lints a file, a cluster's configuration, or a file's chain in a cluster's configuration.
///
/// # Errors
/// [`Refused`] when the file is no `eni-config` or nothing is named; else why the cluster can't be read.
pub async fn lint(
    file: Option<&Path>,
    target: Option<&ClusterTarget>,
    usage: &Usage,
    strict: bool,
) -> anyhow::Result<Linted> {
    let (config, text) = file.map(read_with_text).transpose()?.unzip();
    let name = file.map(|file| file.display().to_string());
    let (source, report) = match (&config, target) {
        (None, None) => return Err(Refused::one(SOURCE).into()),
        (Some(config), None) => (name.unwrap_or_default(), terway::lint(config, usage, None)),
        (_, Some(target)) => {
            let (cluster, report) = operations::lint(target, config.as_ref(), usage).await?;
            (name.map_or(cluster.clone(), |name| format!("{name} in {cluster}")), report)
        }
    };
    let failed = report.findings.iter().any(|finding| finding.fails(strict));
    Ok(Linted { source, failed, report, files: text.into_iter().collect() })
}

/// The chain of a file or a cluster, and what terway-cli makes of it.
///
/// # Errors
/// As [`lint`].
pub async fn show(file: Option<&Path>, target: Option<&ClusterTarget>, nodes: bool) -> anyhow::Result<Shown> {
    match (file, target) {
        (Some(_), None) if nodes => Err(Refused::one(NODES).into()),
        (Some(file), None) => Ok(terway::show(&file.display().to_string(), &read(file)?, None)),
        (None, Some(target)) => Ok(operations::show(target, nodes).await?),
        _ => Err(Refused::one(SOURCE).into()),
    }
}

/// The effect of a file's chain on another file's configuration, or on a cluster.
///
/// # Errors
/// As [`lint`].
pub async fn plan(
    file: &Path,
    from: Option<&Path>,
    target: Option<&ClusterTarget>,
    nodes: bool,
    usage: &Usage,
) -> anyhow::Result<Planned> {
    let name = file.display().to_string();
    match (from, target) {
        (Some(_), _) if nodes => Err(Refused::one(NODES).into()),
        (Some(from), _) => {
            let (old, new) = match (read(from), read(file)) {
                (Ok(old), Ok(new)) => (old, new),
                (old, new) => {
                    let refused = [old.err(), new.err()].into_iter().flatten();
                    return Err(Refused { problems: refused.flat_map(|refused| refused.problems).collect() }.into());
                }
            };
            let change = terway::change(&old, &new);
            let lint = terway::lint(&change.merged, usage, None);
            Ok(terway::plan((&from.display().to_string(), &name), &change, lint, None))
        }
        (None, Some(target)) => {
            let request = ChangeRequest { target, file: &name, new: &read(file)?, usage, confirmed: false };
            Ok(operations::plan(&request, nodes).await?)
        }
        (None, None) => {
            Err(Refused::one("expected a configuration to compare with: --from, --context or --profile").into())
        }
    }
}

/// The command's error for a change that was not made.
pub fn refuse(error: ChangeError) -> anyhow::Error {
    match error {
        ChangeError::Testbed(error) => error.into(),
        obstacle => Refused::one(obstacle.to_string()).into(),
    }
}

/// The exit code of a change.
pub fn exit_code(applied: &Applied) -> u8 {
    match (&applied.left, applied.interrupted, &applied.failed) {
        (Some(_), _, _) => exit::ERROR,
        (None, true, _) => exit::INTERRUPTED,
        (None, false, Some(_)) if applied.error => exit::ERROR,
        (None, false, Some(_)) => exit::FAILED,
        (None, false, None) => exit::PASS,
    }
}
