//! `plumbline explain CODE`: the page of a finding code.

use crate::args::ExplainArgs;
use plumbline::exit;
use plumbline::select::Refused;
use plumbline_core::finding::FindingCode;
use std::io::Write as _;

/// Prints one page, or the list of codes with their titles.
pub fn run(args: &ExplainArgs) -> anyhow::Result<u8> {
    let mut out = anstream::stdout();
    let Some(code) = &args.code else {
        for code in FindingCode::ALL {
            writeln!(out, "{code}  {}", code.title())?;
        }
        return Ok(exit::PASS);
    };
    match code.parse::<FindingCode>() {
        Ok(code) => {
            writeln!(out, "{}", code.page().trim_end())?;
            Ok(exit::PASS)
        }
        Err(unknown) => Err(Refused::one(format!("{unknown}; `plumbline explain` lists them")).into()),
    }
}
