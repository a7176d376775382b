//! `plumbline explain CODE`: the page of a finding code, built in.

use crate::args::ExplainArgs;
use plumbline::exit;
use plumbline::select::Refused;
use std::io::Write as _;

mod pages {
    include!(concat!(env!("OUT_DIR"), "/findings.rs"));
}

/// Shows one page, or the list of codes with their titles.
pub fn run(args: &ExplainArgs) -> anyhow::Result<u8> {
    let mut out = anstream::stdout();
    let Some(code) = &args.code else {
        for (code, page) in pages::PAGES {
            writeln!(out, "{code}  {}", title(page))?;
        }
        return Ok(exit::PASS);
    };
    let wanted = code.to_ascii_uppercase();
    match pages::PAGES.iter().find(|(code, _)| *code == wanted) {
        Some((_, page)) => {
            writeln!(out, "{}", page.trim_end())?;
            Ok(exit::PASS)
        }
        None => Err(Refused::one(format!("{code}: no such finding code; `plumbline explain` lists them")).into()),
    }
}

/// The first heading of a page without its marks and its code.
fn title(page: &str) -> &str {
    let first = page.lines().next().unwrap_or_default().trim_start_matches('#').trim();
    first.split_once(": ").map_or(first, |(_, rest)| rest)
}
