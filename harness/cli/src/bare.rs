//! Users' files without a scenario file: which arguments they are, the plans that they come to, and the lane of each.

use crate::fault;
use crate::lint::{ENDINGS, input_error, input_file};
use crate::registry::{self, DEFAULT_LANE};
use crate::runner::meant_for;
use crate::select::{Refused, scenario_files};
use plumbline_core::bare::{self, BareRun, Nodes, Selection, TextKind};
use plumbline_core::lint::InputFile;
use plumbline_core::plan::Plan;
use plumbline_lanes::context::Context;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::inputs::archive::ArchiveKind;
use plumbline_testbed::inputs::{self, Inputs, STDIN};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The lane for what the kernel of this host lacks.
const FALLBACK: &str = "vm";
/// The lane whose nodes are a cluster's.
const ON_CLUSTER: &str = "kind";
/// So much of a file is read to see what it is.
const HEAD: u64 = 1 << 20;

/// The arguments of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Scenario files, folders of them, and names of scenarios.
    pub scenarios: Vec<PathBuf>,
    /// Files, folders and archives with users' objects, and standard input.
    pub files: Vec<PathBuf>,
}

impl Arguments {
    /// Sorts what a user named. What is neither a scenario nor a file with objects counts as a scenario, whose reader says
    /// what is wrong with it.
    pub fn sort(named: &[PathBuf]) -> Self {
        let mut arguments = Self::default();
        for path in named {
            let has_objects = match path {
                path if path == Path::new(STDIN) => true,
                path if path.is_dir() => is_folder_of_objects(path),
                path => is_file_of_objects(path),
            };
            let list = if has_objects { &mut arguments.files } else { &mut arguments.scenarios };
            list.push(path.clone());
        }
        arguments
    }
}

/// Whether no file of a folder is a scenario, and some file has objects.
fn is_folder_of_objects(folder: &Path) -> bool {
    let kinds: Vec<TextKind> =
        scenario_files(folder).unwrap_or_default().iter().filter_map(|file| read_kind(file)).collect();
    kinds.contains(&TextKind::Objects) && !kinds.contains(&TextKind::Scenario)
}

fn is_file_of_objects(file: &Path) -> bool {
    let is_archive = ArchiveKind::of_name(&file.to_string_lossy()).is_some() && file.is_file();
    is_archive || read_kind(file) == Some(TextKind::Objects)
}

/// What a file holds; none for what is no regular file.
fn read_kind(file: &Path) -> Option<TextKind> {
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut head = Vec::new();
    File::open(file).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    Some(bare::kind_of(&String::from_utf8_lossy(&head)))
}

/// What users' files come to: texts that were read, and what to select of them.
#[derive(Debug, Default)]
pub struct UserFiles {
    texts: Vec<InputFile>,
    selection: Selection,
}

impl UserFiles {
    /// Reads files, folders, archives and standard input.
    ///
    /// # Errors
    /// [`Refused`] with each that can't be read.
    pub fn read(paths: &[PathBuf], pods: &[String], networks: &[String]) -> Result<Self, Refused> {
        let Inputs { texts, problems, .. } = inputs::read(paths, &ENDINGS, std::io::stdin().lock());
        if !problems.is_empty() {
            let problems = problems.into_iter().map(|problem| input_error(problem).to_string());
            return Err(Refused { problems: problems.collect() });
        }
        let mut arguments: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        for (option, names) in [("--pod", pods), ("--nad", networks)] {
            arguments.extend(names.iter().map(|name| format!("{option} {name}")));
        }
        let selection = Selection { pods: pods.to_vec(), networks: networks.to_vec(), arguments: arguments.join(" ") };
        Ok(Self { texts: texts.into_iter().map(input_file).collect(), selection })
    }

    /// The plans for lanes: for those with nodes of their own, and for a cluster. Without a lane the first of them is
    /// meant, and [`choose_lanes`] says which.
    ///
    /// # Errors
    /// [`Refused`] with every mistake in the files.
    pub fn plans(&self, lanes: &[String]) -> Result<BareRun, Refused> {
        let name = match self.texts.as_slice() {
            [one] => one.name.clone(),
            texts => format!("{} files", texts.len()),
        };
        let make = |nodes| fault::name_file(&name, || bare::make_plans(&self.texts, &self.selection, nodes));
        let refused = |errors: Vec<_>| Refused { problems: errors.iter().map(ToString::to_string).collect() };
        let own: Vec<String> = lanes.iter().filter(|lane| *lane != ON_CLUSTER).cloned().collect();
        let mut run = BareRun::default();
        if lanes.is_empty() || !own.is_empty() {
            run = make(Nodes::Own).map_err(refused)?;
            run.plans.iter_mut().for_each(|plan| plan.lanes.clone_from(&own));
        }
        if own.len() < lanes.len() {
            let mut on_cluster = make(Nodes::Cluster).map_err(refused)?;
            on_cluster.plans.iter_mut().for_each(|plan| plan.lanes = vec![ON_CLUSTER.to_owned()]);
            let plans = std::mem::take(&mut run.plans);
            run = BareRun { plans: plans.into_iter().chain(on_cluster.plans).collect(), ..on_cluster };
        }
        Ok(run)
    }
}

/// Refuses to make objects in namespaces of the cluster itself, which `--verbatim` would do.
///
/// # Errors
/// [`Refused`] with each of these objects.
pub fn refuse_system_namespaces(plans: &[Plan]) -> Result<(), Refused> {
    let problems: Vec<String> =
        plans.iter().flat_map(bare::in_system_namespaces).map(|error| error.to_string()).collect();
    if problems.is_empty() { Ok(()) } else { Err(Refused { problems }) }
}

/// The lane of a plan by what the default lane lacks for it: another lane has another kernel, and the same plugins.
fn lane_of(lack: Option<&str>, lack_of_kernel: Option<&str>) -> &'static str {
    if lack.is_some() && lack == lack_of_kernel { FALLBACK } else { DEFAULT_LANE }
}

/// Gives each plan the lane that its needs say, and returns these lanes in the registry's order. The default lane is opened
/// and closed if a plan needs anything of the kernel.
///
/// # Errors
/// The default lane can't be opened.
pub async fn choose_lanes(cx: &Context, plans: &mut [Plan]) -> Result<Vec<String>, TestbedError> {
    plans.iter_mut().for_each(|plan| plan.lanes = vec![DEFAULT_LANE.to_owned()]);
    let needs = plans.iter().any(|plan| !plan.requires.is_empty());
    if let Some(lane) = registry::find(DEFAULT_LANE).filter(|_| needs) {
        let open = lane.open(cx).await?;
        for plan in plans.iter_mut() {
            let (lack, lack_of_kernel) = (open.lack(plan), open.offers().lack(&plan.requires));
            plan.lanes = vec![lane_of(lack.as_deref(), lack_of_kernel.as_deref()).to_owned()];
        }
        open.close().await;
    }
    let names = registry::names().into_iter().filter(|name| plans.iter().any(|plan| meant_for(plan, name)));
    Ok(names.map(str::to_owned).collect())
}

/// What a run has no use for: `2 ConfigMap, 1 Service, 1 file of another program`.
pub fn describe_passed_over(run: &BareRun) -> String {
    let files = match run.skipped.len() {
        0 => None,
        1 => Some("1 file of another program".to_owned()),
        many => Some(format!("{many} files of other programs")),
    };
    let objects = run.passed_over.iter().map(|(kind, number)| format!("{number} {kind}"));
    objects.chain(files).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_objects_are_no_scenarios() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("scenario.yaml", "apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\n"),
            ("pod.yaml", "apiVersion: v1\nkind: Pod\n"),
            ("empty.yaml", ""),
            ("objects/a.yaml", "apiVersion: v1\nkind: Pod\n"),
            ("mixed/a.yaml", "apiVersion: v1\nkind: Pod\n"),
            ("mixed/b.yaml", "kind: Scenario\n"),
        ] {
            let file = folder.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        let names = ["scenario.yaml", "pod.yaml", "empty.yaml", "objects", "mixed", "nowhere"].map(at);
        let arguments = Arguments::sort(&[names.to_vec(), vec![PathBuf::from("-"), "a/scenario".into()]].concat());
        assert_eq!(arguments.files, [at("pod.yaml"), at("objects"), PathBuf::from("-")]);
        assert_eq!(arguments.scenarios.len(), 5);
    }

    #[test]
    fn only_a_lack_of_the_kernel_moves_a_plan_to_another_lane() {
        assert_eq!(lane_of(None, None), "netns");
        assert_eq!(lane_of(Some("needs vlan"), Some("needs vlan")), "vm");
        // It would be skipped there too.
        assert_eq!(lane_of(Some("no plugin sriov"), None), "netns");
        assert_eq!(lane_of(Some("no plugin sriov"), Some("needs vlan")), "netns");
    }
}
