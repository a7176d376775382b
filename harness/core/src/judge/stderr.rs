//! What a plugin wrote on standard error while it said that all went well: `PL105`.

use super::accounts::Case;
use super::ledger::Ledger;
use super::words;
use crate::cni::{CniCommand, Exit};
use crate::finding::{Finding, FindingCode};

/// One warning for each call that succeeded and wrote something which no other finding quotes.
pub(super) fn judge(case: &Case<'_>, ledger: &mut Ledger) {
    let calls = case.observed.outcomes.iter().flat_map(|(_, outcome)| &outcome.calls).chain(&case.observed.calls);
    for call in calls {
        if call.exit != Exit::Code(0) || call.command != CniCommand::Add {
            continue;
        }
        let fresh: Vec<&str> =
            call.stderr.lines().filter(|line| !line.trim().is_empty() && !ledger.is_quoted(line)).collect();
        if fresh.is_empty() {
            continue;
        }
        let message = format!("plugin {} ended with exit 0, and wrote on standard error", call.plugin);
        let entry = Finding::new(FindingCode::PL105, message)
            .pod(&case.pod.name)
            .interface(&call.ifname)
            .network(&call.network);
        ledger.add(entry.found(Some(words::quote("stderr", &fresh.join("\n")))));
    }
}
