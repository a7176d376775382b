//! `plumbline man [DIR]`.

use crate::args::{Cli, ManArgs};
use clap::CommandFactory as _;
use plumbline::exit;
use plumbline::select::Refused;
use std::io::Write as _;

/// Prints the main page, or writes all pages into a folder.
pub fn run(args: &ManArgs) -> anyhow::Result<u8> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        std::io::stdout().write_all(&page)?;
        return Ok(exit::PASS);
    };
    let refused = |error: std::io::Error| Refused::one(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(refused)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(refused)?;
    Ok(exit::PASS)
}
