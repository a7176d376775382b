//! Names and versions as libcni takes them (`pkg/utils/utils.go`, `pkg/version/plugin.go`).

use std::cmp::Ordering;

/// The longest interface name, in bytes (`IFNAMSIZ` less the closing zero).
const LONGEST_INTERFACE: usize = 15;

/// Whether this can be a network's name or a container's id: it begins with a letter or digit, and has letters, digits,
/// `_`, `.` and `-`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '_' | '.' | '-'))
}

/// Why this can't be an interface name; none when it can.
#[must_use]
pub fn interface_trouble(name: &str) -> Option<String> {
    let why = match name {
        "" => "it is empty".to_owned(),
        "." | ".." => "it is . or ..".to_owned(),
        _ if name.len() > LONGEST_INTERFACE => format!("it is longer than {LONGEST_INTERFACE} bytes"),
        _ if name.contains(|each: char| each == '/' || each == ':' || each.is_whitespace()) => {
            "it has a slash, a colon or a blank in it".to_owned()
        }
        _ => return None,
    };
    Some(format!("interface name {name:?} is refused: {why}"))
}

/// Compares two spec versions by their numbers. A version that is none counts as 0.1.0, as libcni reads an empty one.
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    numbers(one).cmp(&numbers(other))
}

/// Whether a spec version is at least another.
#[must_use]
pub fn at_least(version: &str, least: &str) -> bool {
    compare(version, least) != Ordering::Less
}

fn numbers(version: &str) -> (u32, u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor), micro) => (major, minor, micro.unwrap_or(0)),
        _ => (0, 1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_by_number() {
        assert!(at_least("0.10.0", "0.4.0"));
        assert!(at_least("1.1.0", "0.4.0"));
        assert!(!at_least("0.3.1", "0.4.0"));
        assert!(!at_least("", "0.4.0"));
    }

    #[test]
    fn names_as_libcni_lets_them_through() {
        for good in ["a", "management-net", "9.x_y"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a/b", "a b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(interface_trouble("eth0").is_none());
        for bad in ["", ".", "..", "a:b", "a/b", "a b", "sixteen-letters-"] {
            assert!(interface_trouble(bad).is_some(), "{bad}");
        }
    }
}
