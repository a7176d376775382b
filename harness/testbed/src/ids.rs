//! Unique ids, and the labels of everything that Plumbline creates.

use std::time::{SystemTime, UNIX_EPOCH};

/// The label key of everything that Plumbline creates.
pub const OWNER_LABEL: &str = "plumbline.dev/owner";
/// Its value.
pub const OWNER: &str = "plumbline";
/// The label key with the id of an object's run.
pub const RUN_LABEL: &str = "plumbline.dev/run";

/// A new id: 10 characters of `0-9a-v`, the first a letter, ordered by time to the millisecond, then by
/// process. It is valid in names of Kubernetes objects and labels.
pub fn new_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let salt = u128::from(std::process::id()) ^ (now.subsec_nanos() as u128);
    let mut number = (now.as_millis() << 10) | (salt & 0x3ff);
    let mut text = Vec::with_capacity(10);
    for _ in 0..9 {
        text.push(b"0123456789abcdefghijklmnopqrstuv"[(number & 31) as usize]);
        number >>= 5;
    }
    text.push(b'r');
    text.reverse();
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_fits_a_kubernetes_name() {
        let id = new_id();
        assert_eq!(id.len(), 10);
        assert!(id.starts_with('r') && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()));
    }
}
