//! Proofs that a network is in force: whether the last one is still valid, and what changed since.

use crate::record::Proof;
use crate::step::Found;
use plumbline_testbed::wait::Look;
use std::time::{SystemTime, UNIX_EPOCH};

/// Compares the current basis of a proof with the last proof.
pub fn check_proof(basis: &Look<String>, proof: Option<&Proof>, now: u64) -> Found {
    /// A proof expires after this time, in seconds, because its basis does not cover every possible fault.
    const VALID_SECONDS: u64 = 900;
    match (basis, proof) {
        (Look::NotYet(what), _) => Found::Lacking(what.clone()),
        (Look::There(basis), Some(proof)) if proof.of == *basis && now.saturating_sub(proof.at) < VALID_SECONDS => {
            Found::Good
        }
        (Look::There(basis), Some(proof)) if proof.of == *basis => {
            Found::Lacking(format!("the last canary was more than {VALID_SECONDS} s ago"))
        }
        (Look::There(basis), Some(proof)) => {
            Found::Lacking(format!("changed since the last canary: {}", describe_change(&proof.of, basis)))
        }
        (Look::There(_), None) => Found::Lacking("no canary has run yet".to_owned()),
    }
}

/// Describes the difference between two bases of a proof: the lines of the second that the first does not have, without
/// their hashes.
pub fn describe_change(before: &str, now: &str) -> String {
    let new = now.lines().filter(|line| !before.lines().any(|old| old == *line));
    let named: Vec<&str> = new.map(|line| line.rsplit_once(' ').map_or(line, |(what, _)| what)).collect();
    if named.is_empty() { "a part was removed".to_owned() } else { named.join(", ") }
}

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_part_is_named() {
        let before = "the plugins 1\n/etc/cni/net.d of node a 2";
        assert_eq!(describe_change(before, "the plugins 1\n/etc/cni/net.d of node a 3"), "/etc/cni/net.d of node a");
        assert_eq!(describe_change(before, "the plugins 1"), "a part was removed");
    }

    #[test]
    fn a_proof_is_valid_for_a_limited_time_and_only_for_the_same_basis() {
        let proof = Proof { of: "a".into(), at: 1000, ..Proof::default() };
        let same = Look::There("a".to_owned());
        assert_eq!(check_proof(&same, Some(&proof), 1100), Found::Good);
        assert_ne!(check_proof(&same, Some(&proof), 9000), Found::Good);
        assert_ne!(check_proof(&Look::There("b".into()), Some(&proof), 1100), Found::Good);
        assert_ne!(check_proof(&same, None, 1100), Found::Good);
        assert_eq!(check_proof(&Look::NotYet("x".into()), Some(&proof), 1100), Found::Lacking("x".into()));
    }
}
