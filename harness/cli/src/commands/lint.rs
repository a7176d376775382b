//! `plumbline lint`: findings in files and in a cluster's objects, without a run.

use crate::args::{LintArgs, LintFormat};
use crate::options;
use plumbline::exit;
use plumbline::lint::{self, LintRequest};
use plumbline::select::{Refused, RefusedReading};
use plumbline_report::lint::sarif::SarifLog;
use plumbline_report::lint::{LintOutcome, LintVerdict, github, text};
use std::io::Write as _;

/// Prints the report. Files that can't be read are problems on standard error too.
pub async fn run(args: &LintArgs) -> anyhow::Result<u8> {
    lint_inputs(args).await.map_err(|error| match error.downcast::<Refused>() {
        Ok(refused) => RefusedReading(refused).into(),
        Err(error) => error,
    })
}

async fn lint_inputs(args: &LintArgs) -> anyhow::Result<u8> {
    let cluster = args.cluster();
    if args.namespace.is_some() || args.all_namespaces {
        let problem = match (&cluster, args.path.is_empty()) {
            (None, _) => Some("--namespace and --all-namespaces need a cluster: --context CONTEXT"),
            (Some(_), false) => {
                Some("--namespace and --all-namespaces select objects of a cluster; PATH selects files")
            }
            (Some(_), true) => None,
        };
        if let Some(problem) = problem {
            return Err(Refused::one(problem).into());
        }
    }
    let request = LintRequest {
        paths: &args.path,
        cluster,
        strict: args.strict,
        ignore: &args.ignore,
        releases: &args.plugin_version,
        programs: options::read_programs(&args.programs)?,
    };
    let outcome = lint::run(&request).await?;
    print(&outcome, args.output)?;
    match outcome.verdict {
        LintVerdict::Pass => Ok(exit::PASS),
        LintVerdict::Fail => Ok(exit::FAILED),
        LintVerdict::Nothing => Ok(exit::NOTHING),
        LintVerdict::Refused => {
            let problems = outcome.report.errors.iter().map(ToString::to_string).collect();
            Err(Refused { problems }.into())
        }
    }
}

fn print(outcome: &LintOutcome, format: LintFormat) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(anstream::stdout());
    match format {
        LintFormat::Human => out.write_all(text::report(outcome).as_bytes())?,
        LintFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(outcome)?)?,
        LintFormat::Sarif => writeln!(out, "{}", serde_json::to_string_pretty(&SarifLog::new(outcome))?)?,
        LintFormat::Github => out.write_all(github::report(outcome).as_bytes())?,
    }
    out.flush()?;
    Ok(())
}
