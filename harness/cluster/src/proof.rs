//! Proofs that a network is in force: whether the last one stands, and what changed since.

use crate::record::Proof;
use crate::step::Found;
use plumbline_testbed::wait::Look;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a check found, from what a proof rests on and from the last proof.
pub fn found(basis: &Look<String>, proof: Option<&Proof>, now: u64) -> Found {
    /// A proof is made anew after this, in seconds: what it rests on is not everything that can go wrong.
    const STANDS: u64 = 900;
    match (basis, proof) {
        (Look::NotYet(what), _) => Found::Wanting(what.clone()),
        (Look::There(basis), Some(proof)) if proof.of == *basis && now.saturating_sub(proof.at) < STANDS => Found::Good,
        (Look::There(basis), Some(proof)) if proof.of == *basis => {
            Found::Wanting(format!("the last canary was more than {STANDS} s ago"))
        }
        (Look::There(basis), Some(proof)) => {
            Found::Wanting(format!("changed since the last canary: {}", changed(&proof.of, basis)))
        }
        (Look::There(_), None) => Found::Wanting("no canary has been seen yet".to_owned()),
    }
}

/// What differs between two texts of what a proof rests on, in words: the lines of the second that the first does not have, without their hash.
pub fn changed(before: &str, now: &str) -> String {
    let new = now.lines().filter(|line| !before.lines().any(|old| old == *line));
    let named: Vec<&str> = new.map(|line| line.rsplit_once(' ').map_or(line, |(what, _)| what)).collect();
    if named.is_empty() { "something that is gone".to_owned() } else { named.join(", ") }
}

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named() {
        let before = "the plugins 1\n/etc/cni/net.d of node a 2";
        assert_eq!(changed(before, "the plugins 1\n/etc/cni/net.d of node a 3"), "/etc/cni/net.d of node a");
        assert_eq!(changed(before, "the plugins 1"), "something that is gone");
    }

    #[test]
    fn a_proof_stands_for_a_while_and_for_the_same_state_only() {
        let proof = Proof { of: "a".into(), at: 1000 };
        let same = Look::There("a".to_owned());
        assert_eq!(found(&same, Some(&proof), 1100), Found::Good);
        assert_ne!(found(&same, Some(&proof), 9000), Found::Good);
        assert_ne!(found(&Look::There("b".into()), Some(&proof), 1100), Found::Good);
        assert_ne!(found(&same, None, 1100), Found::Good);
        assert_eq!(found(&Look::NotYet("x".into()), Some(&proof), 1100), Found::Wanting("x".into()));
    }
}
