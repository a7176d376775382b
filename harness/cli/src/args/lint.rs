//! The command line of `plumbline lint`.

use super::{ProgramArgs, Words, one_of};
use clap::{ArgGroup, Args};
use plumbline_core::finding::FindingCode;
use plumbline_kube::inventory::NamespaceScope;
use plumbline_terway::chain::handle::ClusterTarget;
use std::path::PathBuf;

/// The end of `lint --help`.
pub const LINT_HELP: &str = "\
PATH is a file of any name, a folder, or an archive (.tar, .tar.gz, .tgz, .zip).
In folders and archives, files that end in .yaml, .yml, .json, .conf and .conflist are read;
hidden ones are left out.
With --context and without PATH, the objects of the cluster are checked. With both, files are
checked with the cluster's ranges of pods, services and nodes.
An annotation `lint.plumbline.dev/ignore-CODE: REASON` ignores a code for its object.

Examples:
  plumbline lint nad.yaml pod.yaml
  plumbline lint manifests/ --strict
  plumbline lint manifests/ --output sarif > lint.sarif
  plumbline lint --context my-cluster --all-namespaces
  plumbline lint /etc/cni/net.d --plugin-version plugins=v1.4.0
  kubectl get network-attachment-definitions -A -o yaml | plumbline lint -

Exit codes:
  0    clean, or warnings only
  1    failures; with --strict also warnings
  2    wrong usage, or a file that can't be read; the other files are still checked
  3    the cluster can't be read
  4    nothing to check

docs/lint.md explains the rules and the formats.";

/// The format of a lint's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LintFormat {
    /// Text with excerpts.
    Human,
    /// JSON.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
}

const FORMATS: Words<LintFormat> = &[
    ("human", "Text with excerpts", LintFormat::Human),
    ("json", "One JSON object", LintFormat::Json),
    ("sarif", "SARIF 2.1.0, for code scanning", LintFormat::Sarif),
    ("github", "Annotations of GitHub Actions", LintFormat::Github),
];

/// `lint`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).multiple(true).args(["path", "context", "profile"]))]
pub struct LintArgs {
    /// Files, folders and archives; `-` is standard input.
    #[arg(value_name = "PATH")]
    pub path: Vec<PathBuf>,
    /// A context of your kubeconfig. The cluster is only read. The current context is never used by default.
    #[arg(long, value_name = "CONTEXT", conflicts_with = "profile")]
    pub context: Option<String>,
    /// The cluster that `plumbline up --profile NAME` made.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Namespace of the objects. Without it, that of the context.
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    pub namespace: Option<String>,
    /// Check the objects of all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Fail on warnings too.
    #[arg(long)]
    pub strict: bool,
    /// Leave out findings of CODE, for example PL605. Repeatable.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub ignore: Vec<FindingCode>,
    /// Release of a plugin, or of all plugins of a source: macvlan=v1.4.0, plugins=v1.4.0. Repeatable. The report says which
    /// releases are assumed.
    #[arg(long, value_name = "NAME=RELEASE")]
    pub plugin_version: Vec<String>,
    #[command(flatten)]
    pub programs: ProgramArgs,
    /// Format of the report.
    #[arg(short, long, visible_alias = "format", value_name = "FORMAT", default_value = "human", value_parser = one_of(FORMATS))]
    pub output: LintFormat,
}

impl LintArgs {
    /// The cluster and the namespaces in it, if one is named.
    pub fn cluster(&self) -> Option<(ClusterTarget, NamespaceScope)> {
        let context = self.context.clone().map(ClusterTarget::Context);
        let target = context.or_else(|| self.profile.clone().map(ClusterTarget::Profile))?;
        let scope = match &self.namespace {
            Some(namespace) => NamespaceScope::Named(namespace.clone()),
            None if self.all_namespaces => NamespaceScope::All,
            None => NamespaceScope::OfContext,
        };
        Some((target, scope))
    }
}
