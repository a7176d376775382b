//! Writes `.config/nextest.toml`. A test compares the committed file with what this writes.

use plumbline::root;
use plumbline_suites::nextest_config::{FILE, render};

fn main() -> anyhow::Result<()> {
    let root = root::find()?;
    std::fs::write(root.join(FILE), render(&root)?)?;
    Ok(())
}
