//! `sysctls` and `linkLocal`: what is expected of the pod's kernel beside links, addresses and routes.

use super::Reader;
use crate::plan::Wanted;
use crate::scenario::strict::{Located, Pairs};
use std::collections::BTreeMap;

/// Whether a text names a sysctl of a network namespace: `net.` and more, with dots or, where a part has dots itself, with
/// slashes.
fn is_name(text: &str) -> Result<(), String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    let separator = if text.contains('/') { '/' } else { '.' };
    let mut parts = text.split(separator);
    if parts.next() != Some("net") {
        return Err(format!("`{text}` is no sysctl of a pod's network: such a one begins with net."));
    }
    if !text.chars().all(plain) || parts.clone().count() < 2 || parts.any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("`{text}` is no name of a sysctl, such as net.ipv6.conf.all.disable_ipv6"));
    }
    Ok(())
}

impl Reader<'_, '_> {
    pub(super) fn sysctls(&mut self, given: &Pairs<Located<String>>) -> BTreeMap<String, Wanted<String>> {
        let mut wanted = BTreeMap::new();
        for (name, value) in &given.0 {
            if self.mistakes.check_key(name, is_name).is_none() {
                continue;
            }
            if value.value.trim() != value.value || value.value.is_empty() {
                self.mistakes.fail(value, "has blanks around it; expected none");
            }
            self.claims += 1;
            wanted.insert(name.value.clone(), self.mistakes.wanted(value.value.clone(), value));
        }
        wanted
    }

    /// `linkLocal`: whether IPv6 link-local addresses are expected on some interface, or on none.
    pub(super) fn link_local(&mut self, word: Option<&Located<String>>) -> Option<Wanted<bool>> {
        let value = self.mistakes.one_of(word?, &[("none", false), ("some", true)])?;
        let wanted = self.mistakes.wanted(value, word?);
        match value {
            true => self.claims += 1,
            false => self.absences.push(wanted.source.clone()),
        }
        Some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn only_sysctls_of_a_network_namespace_are_named() {
        assert!(is_name("net.ipv6.conf.all.disable_ipv6").is_ok());
        assert!(is_name("net/ipv4/conf/eth0.100/forwarding").is_ok());
        for wrong in ["kernel.msgmax", "net", "net.x", "net..x.y", "net/../kernel/x", "net.ipv4.a b"] {
            assert!(is_name(wrong).is_err(), "{wrong}");
        }
    }
}
