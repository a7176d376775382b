//! `plumbline list`: scenarios with lanes and requirements, names to paste.

use super::find_root;
use crate::args::{ListArgs, MessageFormat};
use plumbline::runner::meant_for;
use plumbline::{exit, registry, root, select};
use plumbline_core::plan::Plan;
use std::io::Write as _;

/// Lists scenarios. Every file must be valid.
pub fn run(args: &ListArgs) -> anyhow::Result<u8> {
    let root = root::find();
    let named =
        if args.scenarios.is_empty() { vec![find_root()?.join("suites/scenarios")] } else { args.scenarios.clone() };
    let mut plans = select::plans(root.as_deref().ok(), &named)?;
    plans.sort_by(|a, b| a.name.cmp(&b.name));
    let mut out = anstream::stdout();
    if plans.is_empty() {
        return super::report_empty(&named);
    }
    match args.output {
        MessageFormat::Human => {
            let width = plans.iter().map(|p| p.name.len()).max().unwrap_or(0);
            for plan in &plans {
                let (lanes, covers) = (lanes(plan).join(","), plan.covers.join(","));
                writeln!(out, "{:width$}  {lanes:12}  {covers:9}  {}", plan.name, plan.summary)?;
            }
        }
        MessageFormat::Json => {
            for plan in &plans {
                let value = serde_json::json!({
                    "name": plan.name, "file": plan.file, "lanes": lanes(plan), "covers": plan.covers,
                    "requires": plan.requires, "summary": plan.summary,
                });
                writeln!(out, "{value}")?;
            }
        }
    }
    Ok(exit::PASS)
}

fn lanes(plan: &Plan) -> Vec<&'static str> {
    registry::names().into_iter().filter(|lane| meant_for(plan, lane)).collect()
}
