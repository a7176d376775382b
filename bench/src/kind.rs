//! The kind lane on a warm cluster: from create to verdict, beside the pod's own time to Ready.

use crate::args::Args;
use crate::runner::Bench;
use crate::samples::{Samples, ms};
use crate::{table, ten};
use plumbline_lanes::cluster::record;
use std::time::Duration;

const LANE: &str = "kind";

/// What the issue wants, in milliseconds.
const AFTER_READY_MS: f64 = 400.0;

/// Measures and prints; says why where there is no cluster.
///
/// # Errors
/// When the lane can't be opened, or a scenario does not pass.
pub async fn row(args: &Args, bench: &Bench) -> anyhow::Result<()> {
    let wanted = |profile: &str| args.profile.as_deref().is_none_or(|named| named == profile);
    let warm = record::all()?.into_iter().any(|cluster| cluster.complete && wanted(&cluster.profile));
    if !warm && !args.up {
        table::line("\nkind: not measured, since no cluster is up; `plumbline up` first, or give --up");
        return Ok(());
    }
    table::aside("kind: a first scenario, not counted");
    let (all, run) = bench.run(LANE, usize::from(args.kind_rounds) + 1, false).await?;

    let (mut ready, mut verdict, mut after, mut before, mut total) =
        <(Samples, Samples, Samples, Samples, Samples)>::default();
    for measured in &all[1..] {
        let timing = &measured.report.timing;
        let to_ready = ms(Duration::from_micros(timing.ready_us));
        // The phase after "create" begins when the pod is Ready; the verdict ends the last one before "clean up".
        let seen = ms(measured.phase("observe") + measured.phase("judge"));
        ready.push(to_ready);
        after.push(seen);
        verdict.push(to_ready + seen);
        before.push(ms(measured.phase("create")) - to_ready);
        total.push(ms(Duration::from_micros(timing.total_us)));
    }
    let profile = all[0].report.profile.as_deref().unwrap_or("unknown");
    table::head(&format!("kind, profile {profile}, {}, {} in a row", bench.plan.name, args.kind_rounds));
    table::times("namespace, bridges and networks made, before the pod", &before, None);
    table::times("pod created to Ready", &ready, None);
    table::times("Ready to verdict", &after, Some(AFTER_READY_MS));
    table::times("pod created to verdict", &verdict, None);
    table::times("scenario, start to the pod's sandbox gone", &total, None);
    table::head("ratio");
    table::ratios("create to verdict, to create to Ready", &verdict.to(&ready), None);
    table::line(&format!(
        "The whole run of {} scenarios, the check of the warm cluster and the namespaces' end included, took {:.1} s.",
        all.len(),
        run.as_secs_f64(),
    ));
    ten::row(args, bench, &all[0].report).await
}
