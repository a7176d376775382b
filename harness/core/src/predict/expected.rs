//! What is expected of one fact, and why.

/// What a fact must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// It does not exist.
    Absent,
    /// It has this value.
    Value(String),
    /// It has one of these values: which one can't be known.
    OneOf(Vec<String>),
    /// It is a MAC address of one interface (not multicast, not zero), chosen at random.
    AnyMac,
    /// As `AnyMac`, and no other link of pod and node has it.
    OwnMac,
    /// It has a value, which can't be known.
    Some,
    /// It has this value, or was not read.
    IfAny(String),
    /// It may be absent or have any value: releases of the kernel differ in it.
    Free,
}

impl Expected {
    /// A value.
    pub fn value(value: impl Into<String>) -> Self {
        Self::Value(value.into())
    }

    /// Whether what was found is as expected. None means that the fact does not exist.
    pub fn admits(&self, found: Option<&str>) -> bool {
        match (self, found) {
            (Self::Free, _) | (Self::Absent | Self::IfAny(_), None) | (Self::Some, Some(_)) => true,
            (Self::Value(value) | Self::IfAny(value), Some(found)) => value == found,
            (Self::OneOf(values), Some(found)) => values.iter().any(|value| value == found),
            (Self::AnyMac | Self::OwnMac, Some(found)) => is_unicast_mac(found),
            (Self::Absent, Some(_)) | (_, None) => false,
        }
    }

    /// Whether it says less than one exact value.
    pub fn is_constraint(&self) -> bool {
        matches!(self, Self::OneOf(_) | Self::AnyMac | Self::OwnMac | Self::Some)
    }

    /// The text for people; none where nothing is expected.
    pub fn describe(&self) -> Option<String> {
        match self {
            Self::Absent | Self::Free => None,
            Self::Value(value) | Self::IfAny(value) => Some(value.clone()),
            Self::OneOf(values) => Some(format!("one of: {}", values.join(", "))),
            Self::AnyMac => Some("a MAC address of one interface".to_owned()),
            Self::OwnMac => Some("a MAC address that no other link has".to_owned()),
            Self::Some => Some("some value".to_owned()),
        }
    }
}

fn is_unicast_mac(text: &str) -> bool {
    let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let Some(bytes) = bytes.filter(|bytes| bytes.len() == 6) else { return false };
    bytes[0] & 1 == 0 && bytes.iter().any(|byte| *byte != 0)
}

/// Why a fact is predicted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// The key of the plugin's configuration, such as `ipam/addresses/0`; empty where the plugin does it in any case.
    pub key: String,
    /// What makes it so, with its source: `connected route of the address (net/ipv4/fib_frontend.c)`.
    pub reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_expectation_has_something_that_it_refuses() {
        assert!(Expected::Absent.admits(None) && !Expected::Absent.admits(Some("x")));
        assert!(Expected::value("x").admits(Some("x")));
        assert!(!Expected::value("x").admits(Some("y")) && !Expected::value("x").admits(None));
        let one_of = Expected::OneOf(vec!["1".into(), "2".into()]);
        assert!(one_of.admits(Some("2")) && !one_of.admits(Some("3")) && !one_of.admits(None));
        assert!(Expected::Some.admits(Some("")) && !Expected::Some.admits(None));
        assert!(Expected::AnyMac.admits(Some("0a:00:00:00:00:01")));
        for wrong in ["", "01:00:5e:00:00:01", "00:00:00:00:00:00", "0a:00:00:00:00", "x"] {
            assert!(!Expected::AnyMac.admits(Some(wrong)), "{wrong}");
        }
    }
}
