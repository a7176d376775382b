//! How long to wait for a reply that must not come: the larger of [`super::WINDOW_MS`] and ten times what its
//! controls took. What they take is only known once they were answered, so an act whose window was too short for them is
//! made again with a wider one.

use super::ids;
use crate::wire::{ProbeEnd, ProbeResults, Script};

/// How many times the round trip of its controls a window must hold: a reply that is slower by chance still counts.
pub const MARGIN: u64 = 10;
/// The widest window, in milliseconds: controls that take a tenth of that prove nothing any more.
const WIDEST_MS: u64 = 20_000;

/// The window that such slow controls need, in milliseconds.
pub fn needed_window_ms(slowest_us: u64) -> u64 {
    slowest_us.saturating_mul(MARGIN).div_ceil(1000)
}

/// The script with windows that would have held, twice over; none where all of them did, or can't be wider.
pub fn widen_windows(script: &Script, results: &ProbeResults) -> Option<Script> {
    let mut wide = script.clone();
    let mut changed = false;
    for (_, question) in &script.probes {
        let controls = [ids::SENDER, ids::THIRD].map(|suffix| format!("{}{suffix}", question.id));
        let slowest = controls.iter().filter_map(|id| results.probe(id)).filter_map(|seen| match seen.end {
            ProbeEnd::Answered { .. } => Some(seen.took_us),
            _ => None,
        });
        let needed = slowest.max().map_or(0, needed_window_ms);
        if needed <= question.window_ms || question.window_ms >= WIDEST_MS {
            continue;
        }
        let window = needed.saturating_mul(2).min(WIDEST_MS);
        for (_, probe) in wide.probes.iter_mut().filter(|(_, it)| it.id == question.id || controls.contains(&it.id)) {
            probe.window_ms = window;
        }
        changed = true;
    }
    changed.then_some(wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ProbeEndpoint;
    use crate::script::WINDOW_MS;
    use crate::wire::{Probe, ProbeAction, ProbeResult, Tap};

    fn script(window_ms: u64) -> Script {
        let what = ProbeAction::Control { interface: Tap::Name("eth0".into()), tags: vec![], priority: 0 };
        let probe = |id: &str, window_ms| {
            (ProbeEndpoint::Pod("a".into()), Probe { id: id.into(), what: what.clone(), window_ms })
        };
        let probes = vec![probe("q", window_ms), probe("q/sender", window_ms), probe("other", WINDOW_MS)];
        Script { probes, ..Script::default() }
    }

    fn results(took_us: u64, end: ProbeEnd) -> ProbeResults {
        let seen = |id: &str, end, took_us| ProbeResult { id: id.into(), sent: 1, end, took_us };
        ProbeResults {
            probes: vec![seen("q", ProbeEnd::NoAnswer, 1), seen("q/sender", end, took_us)],
            ..ProbeResults::default()
        }
    }

    fn answered() -> ProbeEnd {
        ProbeEnd::Answered { by: std::net::Ipv4Addr::LOCALHOST.into(), mac: None, saw: None }
    }

    #[test]
    fn a_window_that_held_stays() {
        assert_eq!(widen_windows(&script(WINDOW_MS), &results(100_000, answered())), None);
    }

    #[test]
    fn one_that_did_not_is_made_wider_with_its_controls_and_no_other() {
        let wide = widen_windows(&script(WINDOW_MS), &results(100_001, answered())).unwrap();
        let windows: Vec<u64> = wide.probes.iter().map(|(_, probe)| probe.window_ms).collect();
        assert_eq!(windows, [2002, 2002, WINDOW_MS]);
    }

    #[test]
    fn it_ends() {
        assert_eq!(
            widen_windows(&script(WINDOW_MS), &results(9_000_000, answered())).unwrap().probes[0].1.window_ms,
            WIDEST_MS
        );
        assert_eq!(widen_windows(&script(WIDEST_MS), &results(9_000_000, answered())), None);
        assert_eq!(widen_windows(&script(WINDOW_MS), &results(9_000_000, ProbeEnd::NoAnswer)), None);
    }
}
