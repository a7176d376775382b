//! `soak SECONDS [TARGET]...`: runs each target, or those named, and prints a table. An input that crashes a target is
//! kept in `target/fuzz`.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use anyhow::{Context, Result, bail};
use plumbline_fuzz::run;
use plumbline_fuzz::targets::TARGETS;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().context("the seconds for each target are missing")?;
    let time = Duration::from_secs(seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?);
    let names: Vec<String> = arguments.collect();
    if let Some(name) = names.iter().find(|name| TARGETS.iter().all(|target| target.name != **name)) {
        bail!("no target `{name}`; there are {}", TARGETS.map(|target| target.name).join(", "));
    }
    let folder = Path::new("target/fuzz");
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    println!("| target | seconds | executions | crashes |\n|---|---|---|---|");
    let mut crashes = 0;
    for target in TARGETS.iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.name)) {
        let outcome = run(target, time, seed, Some(&folder.join(format!("{}.current", target.name))))?;
        println!(
            "| {} | {} | {} | {} |",
            target.name,
            time.as_secs(),
            outcome.executions,
            u8::from(outcome.crash.is_some())
        );
        if let Some(crash) = outcome.crash {
            crashes += 1;
            let path = folder.join(format!("{}.crash", target.name));
            std::fs::write(&path, &crash.input).with_context(|| format!("write {}", path.display()))?;
            println!("\n{}: {}; the input is in {}\n", target.name, crash.message, path.display());
        }
    }
    if crashes > 0 { bail!("{crashes} targets crashed; random seed {seed}") } else { Ok(()) }
}
