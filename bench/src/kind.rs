//! The kind lane on a running cluster: the time from create to verdict, beside the pod's own time to Ready.

use crate::args::Args;
use crate::runner::Bench;
use crate::samples::{Samples, ms};
use crate::{table, ten};
use plumbline_cluster::record;
use std::time::Duration;

const LANE: &str = "kind";

/// The budget from Ready to the verdict, in milliseconds.
const AFTER_READY_MS: f64 = 400.0;

/// Measures and prints; without a cluster prints why not.
///
/// # Errors
/// When the lane cannot be opened, or a scenario does not pass.
pub async fn measure_kind(args: &Args, bench: &Bench) -> anyhow::Result<()> {
    let wanted = |profile: &str| args.profile.as_deref().is_none_or(|named| named == profile);
    let warm = record::list_records()?.into_iter().any(|cluster| cluster.complete && wanted(&cluster.profile));
    if !warm && !args.up {
        table::print_line("\nkind: not measured: no cluster is running; fix: run `plumbline up` first, or add --up");
        return Ok(());
    }
    table::print_progress("kind: a first scenario, not counted");
    let (all, run) = bench.run_scenarios(LANE, usize::from(args.kind_rounds) + 1, false).await?;

    let (mut ready, mut verdict, mut after, mut before, mut total) =
        <(Samples, Samples, Samples, Samples, Samples)>::default();
    for measured in &all[1..] {
        let timing = &measured.report.timing;
        let to_ready = ms(Duration::from_micros(timing.ready_us));
        // The phase after "create" begins when the pod is Ready; the verdict ends the last phase before "clean up".
        let seen = ms(measured.phase("observe") + measured.phase("judge"));
        ready.push(to_ready);
        after.push(seen);
        verdict.push(to_ready + seen);
        before.push(ms(measured.phase("create")) - to_ready);
        total.push(ms(Duration::from_micros(timing.total_us)));
    }
    let profile = all[0].report.profile.as_deref().unwrap_or("unknown");
    table::print_heading(&format!("kind, profile {profile}, {}, {} in a row", bench.plan.name, args.kind_rounds));
    table::print_times("namespace, bridges and networks, before the pod", &before, None);
    table::print_times("pod created to Ready", &ready, None);
    table::print_times("Ready to verdict", &after, Some(AFTER_READY_MS));
    table::print_times("pod created to verdict", &verdict, None);
    table::print_times("scenario, from its start until the sandbox is gone", &total, None);
    table::print_heading("ratio");
    table::print_ratios("create to verdict, to create to Ready", &verdict.ratio_to(&ready), None);
    table::print_line(&format!(
        "The run of {} scenarios took {:.1} s, with the check of the cluster and the end of the namespaces.",
        all.len(),
        run.as_secs_f64(),
    ));
    ten::measure_ten(args, bench, &all[0].report).await
}
