//! `plumbline schema KIND`: a JSON Schema for editors.

use crate::args::SchemaArgs;
use plumbline::exit;
use std::io::Write as _;

/// Prints it.
pub fn run(args: &SchemaArgs) -> anyhow::Result<u8> {
    write!(anstream::stdout(), "{}", args.kind.text()?)?;
    Ok(exit::PASS)
}
