//! `plumbline gc`: removes what dead runs left behind, and prunes the cache. Live runs and what they use stay.

use plumbline::{exit, registry};
use plumbline_terway::chain::saved;
use plumbline_testbed::cache::Cache;
use plumbline_testbed::engine::{Engine, Sweeper};
use plumbline_testbed::journal;
use std::io::Write as _;

/// Collects by the journals, then by the labels of objects without a journal.
pub async fn run() -> anyhow::Result<u8> {
    let collected = journal::gc(registry::UNDOERS).await?;
    let mut gone = collected.undone;
    let mut left = collected.failures;
    let (mut unknown, mut forgotten) = (Vec::new(), 0);
    // Without an engine there are no containers of ours.
    if let Ok(engine) = Engine::connect().await {
        let swept = Sweeper::of(engine).sweep().await?;
        gone.extend(swept.gone);
        left.extend(swept.left);
        unknown = swept.unknown;
        match journal::delete_old_runs() {
            Ok(runs) => forgotten = runs,
            Err(error) => left.push(error.to_string()),
        }
    }
    let pruned = Cache::open().and_then(|cache| cache.prune()).unwrap_or_else(|error| {
        left.push(format!("cache: {error}"));
        0
    });
    gone.extend(saved::forget_gone()?.iter().map(|path| format!("file {}", path.display())));
    let mut out = anstream::stdout();
    for line in &gone {
        writeln!(out, "gone: {line}")?;
    }
    for line in &collected.live_runs {
        writeln!(out, "left alone, it still runs: {line}")?;
    }
    for line in &unknown {
        writeln!(out, "left alone, its run is not known here: {line}")?;
    }
    if forgotten > 0 {
        let days = journal::RETENTION.as_secs() / (24 * 3600);
        writeln!(out, "forgotten, with their evidence: {forgotten} runs older than {days} days that left nothing")?;
    }
    if pruned > 0 {
        writeln!(out, "removed from the cache: {pruned} folders, unused for 30 days or beyond its size limit")?;
    }
    for line in &left {
        writeln!(out, "could not be undone: {line}")?;
    }
    if gone.is_empty() && left.is_empty() {
        writeln!(out, "nothing was left behind")?;
    }
    Ok(if left.is_empty() { exit::PASS } else { exit::ERROR })
}
