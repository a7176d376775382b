//! `plumbline lint`: what the user names is read, the cluster too, and the engine of `core` is called. Nothing is run.

use crate::fault;
use crate::releases::add_releases;
use crate::select::Refused;
use plumbline_core::finding::FindingCode;
use plumbline_core::lint::{self, FileOrigin, InputFile, Options, Report};
use plumbline_core::scenario::InputError;
use plumbline_core::source::Source;
use plumbline_core::terway;
use plumbline_kube::inventory::{self, Inventory, NamespaceScope};
use plumbline_report::lint::LintOutcome;
use plumbline_terway::chain::handle::{ClusterHandle, ClusterTarget};
use plumbline_testbed::context;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::inputs::{self, InputProblem, InputText, Inputs};
use plumbline_testbed::lease::Kind;
use std::path::PathBuf;

/// Ends of names of the files that are read in folders and archives.
pub const ENDINGS: [&str; 5] = [".yaml", ".yml", ".json", ".conf", ".conflist"];

/// What to lint, and how.
#[derive(Debug, Default)]
pub struct LintRequest<'a> {
    /// Files, folders, archives; `-` is standard input.
    pub paths: &'a [PathBuf],
    /// The cluster: of its own objects if no path is named, else as the place for those of the files.
    pub cluster: Option<(ClusterTarget, NamespaceScope)>,
    /// Whether warnings fail it.
    pub strict: bool,
    /// Codes to leave out.
    pub ignore: &'a [FindingCode],
    /// `NAME=RELEASE` of plugins and sources.
    pub releases: &'a [String],
    /// Programs of plugins, whose build information states their releases.
    pub programs: context::Options,
}

/// Reads and lints. Problems of single files are part of the outcome.
///
/// # Errors
/// [`Refused`] for a release that is none; a `TestbedError` when the cluster can't be read.
pub async fn run(request: &LintRequest<'_>) -> anyhow::Result<LintOutcome> {
    let mut options = read_options(request)?;
    let unknown_releases = add_releases(&request.programs, &mut options.releases);
    let Inputs { texts, skipped, problems } = inputs::read(request.paths, &ENDINGS, std::io::stdin().lock());
    let mut files: Vec<InputFile> = texts.into_iter().map(input_file).collect();
    let mut inventory = Inventory::default();
    if let Some((target, scope)) = &request.cluster {
        inventory = read_cluster(target, scope, request.paths.is_empty()).await?;
        options.cluster = std::mem::take(&mut inventory.facts);
        files.append(&mut inventory.texts);
    }
    let mut report = fault::name_file(&list_names(&files), || lint::lint(&files, &options));
    report.assumed.extend(unknown_releases);
    add_problems(&mut report, problems);
    explain_templates(&mut report, &files);
    let outcome = LintOutcome::new(report, files, request.strict);
    Ok(LintOutcome { skipped_files: skipped, unknown: inventory.unknown, ..outcome })
}

/// A text with how it came to be here.
pub(crate) fn input_file(InputText { name, text, is_named }: InputText) -> InputFile {
    let origin = if is_named { FileOrigin::Named } else { FileOrigin::InFolder };
    InputFile { name, text, origin }
}

fn read_options(request: &LintRequest<'_>) -> Result<Options, Refused> {
    let mut options = Options { ignore: request.ignore.iter().copied().collect(), ..Options::default() };
    let mut problems = Vec::new();
    for text in request.releases {
        let set = match text.split_once('=') {
            Some((name, release)) if !name.is_empty() => {
                options.releases.set(name, release).map_err(|error| error.to_string())
            }
            _ => Err("expected NAME=RELEASE, for example plugins=v1.9.1".to_owned()),
        };
        problems.extend(set.err().map(|problem| format!("--plugin-version {text}: {problem}")));
    }
    if problems.is_empty() { Ok(options) } else { Err(Refused { problems }) }
}

async fn read_cluster(
    target: &ClusterTarget,
    scope: &NamespaceScope,
    with_objects: bool,
) -> Result<Inventory, TestbedError> {
    let handle = ClusterHandle::open(target, Kind::Shared).await?;
    let name = handle.way.context.as_deref().or(handle.way.ours.as_deref()).unwrap_or("cluster");
    match with_objects {
        true => inventory::read(&handle.client, name, scope, &[(terway::NAMESPACE, terway::NAME)]).await,
        false => Ok(inventory::read_facts(&handle.client).await),
    }
}

/// The texts' names for the fault of a panic.
fn list_names(files: &[InputFile]) -> String {
    match files {
        [file] => file.name.clone(),
        files => format!("{} files", files.len()),
    }
}

fn add_problems(report: &mut Report, problems: Vec<InputProblem>) {
    report.errors.splice(0..0, problems.into_iter().map(input_error));
}

/// A problem of a file, with its place.
pub(crate) fn input_error(InputProblem { name, line, column, message }: InputProblem) -> InputError {
    InputError::new(Source { file: name, line, column }, "", message)
}

/// Adds to the errors of files that are templates what makes objects of them.
fn explain_templates(report: &mut Report, files: &[InputFile]) {
    for error in report.errors.iter_mut().filter(|error| error.help.is_none()) {
        let text = files.iter().find(|file| file.name == error.source_at.file).map(|file| file.text.as_str());
        if text.is_some_and(|text| text.contains("{{")) {
            error.help = Some("if it is a template: helm template CHART | plumbline lint -".to_owned());
        }
    }
}
