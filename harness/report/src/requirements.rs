//! The table of requirements: their state on each lane.

use crate::escape;
use crate::paint::{BAD, DOUBT, ERROR, GOOD, QUIET, paint};
use crate::text::{count, duration};
use anstyle::Style;
use std::fmt::Write as _;

/// A part of a requirement on a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The requirement, for example `R03`.
    pub requirement: String,
    /// The part, in a few words.
    pub what: String,
    /// The lane.
    pub lane: String,
    /// Whether it is shown.
    pub shown: ProofStatus,
    /// The runs for it.
    pub lines: Vec<Line>,
}

/// A scenario, a negative scenario or a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Scenario name.
    pub scenario: String,
    /// Whether it is a negative scenario.
    pub is_negative: bool,
    /// Its verdict as text. Empty if it was not run.
    pub verdict: String,
    /// Whether it ended as expected.
    pub shown: ProofStatus,
    /// Facts checked.
    pub checked: usize,
    /// From start to verdict, in microseconds.
    pub micros: u64,
    /// The number of its pcap files.
    pub pcaps: usize,
    /// Its evidence folder.
    pub evidence: Option<String>,
}

impl Line {
    /// The line of a scenario that was not run: it shows nothing.
    pub fn not_run(scenario: &str, is_negative: bool) -> Self {
        Self {
            scenario: scenario.to_owned(),
            is_negative,
            verdict: String::new(),
            shown: ProofStatus::No("it was not run".to_owned()),
            checked: 0,
            micros: 0,
            pcaps: 0,
            evidence: None,
        }
    }
}

/// The state of a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofStatus {
    /// It is shown.
    Yes,
    /// Nothing shows it. The reason.
    No(String),
    /// A run ended otherwise than expected. The name of the run.
    Failed(String),
    /// The testbed failed. The name of the run.
    Error(String),
}

impl ProofStatus {
    fn word(&self) -> (&'static str, Style) {
        match self {
            Self::Yes => ("shown", GOOD),
            Self::No(_) => ("MISSING", DOUBT),
            Self::Failed(_) => ("FAILED", BAD),
            Self::Error(_) => ("ERROR", ERROR),
        }
    }

    fn why(&self) -> &str {
        match self {
            Self::Yes => "",
            Self::No(why) | Self::Failed(why) | Self::Error(why) => why,
        }
    }
}

/// The tables: every scenario, then every requirement, then the folder of the evidence. Ends with a newline.
pub fn tables(cells: &[Cell]) -> String {
    let mut out = list_runs(cells);
    out.push('\n');
    out.push_str(&summary(cells));
    let mut folders: Vec<String> = Vec::new();
    for line in cells.iter().flat_map(|cell| &cell.lines) {
        // The folder of the run and lane: the part before the scenario's name.
        let own = line.evidence.as_deref().and_then(|folder| folder.strip_suffix(&format!("/{}", line.scenario)));
        folders.extend(own.map(str::to_owned));
    }
    folders.sort();
    folders.dedup();
    for folder in folders {
        let _ = writeln!(out, "evidence: {}/SCENARIO", escape::line(&folder));
    }
    out
}

/// One line per requirement, lane and scenario.
fn list_runs(cells: &[Cell]) -> String {
    let head = ["requirement", "lane", "scenario", "verdict", "", "facts", "time", "pcaps"];
    let mut table = Table::new(&head);
    for cell in cells {
        for line in &cell.lines {
            let (word, style) = match (&line.shown, line.is_negative) {
                (ProofStatus::Yes, true) => ("negative, as expected", QUIET),
                (ProofStatus::Yes, false) => ("", QUIET),
                (other, _) => other.word(),
            };
            let why = [word, line.shown.why()].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>();
            table.row(
                style,
                [
                    cell.requirement.clone(),
                    cell.lane.clone(),
                    line.scenario.clone(),
                    line.verdict.clone(),
                    why.join(": "),
                    line.checked.to_string(),
                    time(line.micros),
                    line.pcaps.to_string(),
                ],
            );
        }
    }
    table.finish()
}

/// One line per requirement and lane.
fn summary(cells: &[Cell]) -> String {
    let mut table =
        Table::new(&["requirement", "lane", "what", "verdict", "", "scenarios", "negative", "facts", "time"]);
    for cell in cells {
        let (word, style) = cell.shown.word();
        let negatives: Vec<&Line> = cell.lines.iter().filter(|line| line.is_negative).collect();
        table.row(
            style,
            [
                cell.requirement.clone(),
                cell.lane.clone(),
                cell.what.clone(),
                word.to_owned(),
                cell.shown.why().to_owned(),
                (cell.lines.len() - negatives.len()).to_string(),
                negatives.len().to_string(),
                cell.lines.iter().map(|line| line.checked).sum::<usize>().to_string(),
                time(cell.lines.iter().map(|line| line.micros).sum()),
            ],
        );
    }
    let good = cells.iter().filter(|cell| cell.shown == ProofStatus::Yes).count();
    let all = count(cells.len(), "place", "places");
    format!("{}{good} of {all} shown\n", table.finish())
}

/// A duration. Empty if nothing ran.
fn time(micros: u64) -> String {
    if micros == 0 { String::new() } else { duration(micros) }
}

/// Columns as wide as their widest text. The verdict's column is painted.
struct Table {
    rows: Vec<(Style, Vec<String>)>,
}

/// The columns that are painted: the verdict and the word after it.
const PAINTED: [usize; 2] = [3, 4];

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { rows: vec![(Style::new(), head.iter().map(ToString::to_string).collect())] }
    }

    fn row<const N: usize>(&mut self, style: Style, texts: [String; N]) {
        self.rows.push((style, texts.iter().map(|text| escape::line(text)).collect()));
    }

    fn finish(self) -> String {
        let columns = self.rows.first().map_or(0, |(_, head)| head.len());
        let width = |column: usize| {
            self.rows.iter().filter_map(|(_, row)| row.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for (style, row) in &self.rows {
            let mut line = String::new();
            for (column, (text, width)) in row.iter().zip(&widths).enumerate().filter(|(_, (_, width))| **width > 0) {
                let padded = format!("{text:width$}");
                let painted = PAINTED.contains(&column) && !text.is_empty();
                line.push_str(&if painted { paint(*style, &padded) } else { padded });
                line.push_str("  ");
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_failed_requirements_have_words() {
        let line = |scenario: &str, is_negative, shown, verdict: &str| Line {
            scenario: scenario.into(),
            is_negative,
            verdict: verdict.into(),
            shown,
            checked: 12,
            micros: 48_000,
            pcaps: 3,
            evidence: Some(format!("/run/evidence/netns/{scenario}")),
        };
        let cell = |requirement: &str, lane: &str, shown, lines| Cell {
            requirement: requirement.into(),
            what: "addresses".into(),
            lane: lane.into(),
            shown,
            lines,
        };
        let failed = ProofStatus::Failed("PL321".into());
        let cells = [
            cell(
                "R01",
                "netns",
                ProofStatus::Yes,
                vec![
                    line("openshift/chain-example", false, ProofStatus::Yes, "PASS, PL601"),
                    line("openshift/addresses-wrong", true, ProofStatus::Yes, "FAIL, PL302"),
                ],
            ),
            cell("R02", "netns", failed.clone(), vec![line("openshift/chain-example", false, failed, "FAIL, PL321")]),
            cell("R02", "vm", ProofStatus::No("no scenario for it".into()), vec![]),
        ];
        insta::assert_snapshot!(crate::paint::strip(&tables(&cells)), @r"
        requirement  lane   scenario                   verdict                             facts  time   pcaps
        R01          netns  openshift/chain-example    PASS, PL601                         12     48 ms  3
        R01          netns  openshift/addresses-wrong  FAIL, PL302  negative, as expected  12     48 ms  3
        R02          netns  openshift/chain-example    FAIL, PL321  FAILED: PL321          12     48 ms  3

        requirement  lane   what       verdict                      scenarios  negative  facts  time
        R01          netns  addresses  shown                        1          1         24     96 ms
        R02          netns  addresses  FAILED   PL321               1          0         12     48 ms
        R02          vm     addresses  MISSING  no scenario for it  0          0         0
        1 of 3 places shown
        evidence: /run/evidence/netns/SCENARIO
        ");
    }
}
