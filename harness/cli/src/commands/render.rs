//! `plumbline render`: what would be applied, as YAML, or the whole plan as JSON. Touches nothing.

use crate::args::{MessageFormat, RenderArgs};
use plumbline::{exit, root, select};
use plumbline_core::scenario;
use std::io::Write as _;

/// Renders them.
pub fn run(args: &RenderArgs) -> anyhow::Result<u8> {
    let root = root::find();
    let plans = select::plans(root.as_deref().ok(), &args.selection.scenarios)?;
    if plans.is_empty() {
        return super::report_empty(&args.selection.scenarios);
    }
    let mut out = anstream::stdout();
    for plan in &plans {
        match args.output {
            MessageFormat::Human => {
                for (object, yaml) in scenario::render(plan) {
                    writeln!(out, "---\n# {}: {object}\n{}", plan.name, yaml.trim_end())?;
                }
            }
            MessageFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(plan)?)?,
        }
    }
    Ok(exit::PASS)
}
