//! The JSON type that a Go decoder wants for a key.

use serde_json::Value;
use std::fmt;

/// What a decoder accepts for a key. `null` is accepted for every key: Go's decoder leaves the field as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonType {
    /// Any value.
    Any,
    /// `true` or `false`.
    Boolean,
    /// A boolean, or one of the texts `true` and `false` (libcni's keys of a list).
    BooleanOrText,
    /// A whole number of this many bits.
    Integer {
        /// Whether it may be negative.
        signed: bool,
        /// Bits of the Go type; 64 for `int`, as on every node that matters.
        bits: u8,
    },
    /// A number.
    Number,
    /// A string.
    Text(TextFormat),
    /// An object whose keys are in the table, under the path of this key.
    Object,
    /// A list of values of one type.
    List(Box<JsonType>),
    /// An object with free keys and values of one type.
    Map(Box<JsonType>),
}

/// What the decoder reads a string as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Any text.
    Plain,
    /// An address, such as `192.0.2.1`; the empty string is accepted (`net.IP`).
    Ip,
    /// A network with prefix length, such as `192.0.2.0/24` (`types.IPNet`).
    Cidr,
    /// An address, with or without prefix length (`ip.IP` of the plugins).
    IpOrCidr,
}

impl JsonType {
    /// Reads a type as the table writes it, such as `[string]`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let integer = |signed, bits| Some(Self::Integer { signed, bits });
        match text {
            "any" => Some(Self::Any),
            "boolean" => Some(Self::Boolean),
            "boolean|text" => Some(Self::BooleanOrText),
            "number" => Some(Self::Number),
            "string" => Some(Self::Text(TextFormat::Plain)),
            "ip" => Some(Self::Text(TextFormat::Ip)),
            "cidr" => Some(Self::Text(TextFormat::Cidr)),
            "ip|cidr" => Some(Self::Text(TextFormat::IpOrCidr)),
            "object" => Some(Self::Object),
            "integer" => integer(true, 64),
            "unsigned" => integer(false, 64),
            "int8" => integer(true, 8),
            "int16" => integer(true, 16),
            "int32" => integer(true, 32),
            "uint8" => integer(false, 8),
            "uint16" => integer(false, 16),
            "uint32" => integer(false, 32),
            _ => {
                let within = |open, close| text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
                let list = within('[', ']').and_then(Self::read).map(|of| Self::List(Box::new(of)));
                list.or_else(|| within('{', '}').and_then(Self::read).map(|of| Self::Map(Box::new(of))))
            }
        }
    }

    /// Whether the decoder accepts the value. The keys of an object are not looked at, nor is a string's format.
    pub fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) | (Self::Any, _) => true,
            (Self::Boolean | Self::BooleanOrText, Value::Bool(_)) => true,
            (Self::BooleanOrText, Value::String(text)) => {
                text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
            }
            (Self::Integer { signed, bits }, Value::Number(number)) => {
                let number = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
                let (low, high) = match signed {
                    true => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
                    false => (0, (1_i128 << bits) - 1),
                };
                number.is_some_and(|number| (low..=high).contains(&number))
            }
            (Self::Number, Value::Number(_)) | (Self::Text(_), Value::String(_)) => true,
            (Self::Object, Value::Object(_)) => true,
            (Self::List(of), Value::Array(values)) => values.iter().all(|value| of.accepts(value)),
            (Self::Map(of), Value::Object(values)) => values.values().all(|value| of.accepts(value)),
            _ => false,
        }
    }

    /// The type of the values in a list, however deep; else the type itself.
    pub fn element(&self) -> &Self {
        match self {
            Self::List(of) => of.element(),
            other => other,
        }
    }

    /// The plural, for a list's elements.
    fn plural(&self) -> String {
        match self {
            Self::Any => "values".to_owned(),
            Self::Boolean => "booleans".to_owned(),
            Self::BooleanOrText => "booleans".to_owned(),
            Self::Integer { signed: true, .. } => "integers".to_owned(),
            Self::Integer { signed: false, .. } => "integers from 0".to_owned(),
            Self::Number => "numbers".to_owned(),
            Self::Text(TextFormat::Plain) => "strings".to_owned(),
            Self::Text(TextFormat::Ip) => "addresses".to_owned(),
            Self::Text(TextFormat::Cidr) => "networks".to_owned(),
            Self::Text(TextFormat::IpOrCidr) => "addresses or networks".to_owned(),
            Self::Object => "objects".to_owned(),
            Self::List(of) => format!("lists of {}", of.plural()),
            Self::Map(of) => format!("objects of {}", of.plural()),
        }
    }
}

/// The type with its article: `a string`, `a list of objects`.
impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any value"),
            Self::Boolean => f.write_str("a boolean"),
            Self::BooleanOrText => f.write_str("a boolean, or \"true\" or \"false\""),
            Self::Integer { signed: true, bits: 64 } => f.write_str("an integer"),
            Self::Integer { signed: false, bits: 64 } => f.write_str("an integer from 0"),
            Self::Integer { signed: true, bits } => write!(f, "an integer of {bits} bits"),
            Self::Integer { signed: false, bits } => write!(f, "an integer from 0 to {}", (1_u64 << bits) - 1),
            Self::Number => f.write_str("a number"),
            Self::Text(TextFormat::Plain) => f.write_str("a string"),
            Self::Text(TextFormat::Ip) => f.write_str("a string with an address"),
            Self::Text(TextFormat::Cidr) => f.write_str("a string with a network and its prefix length"),
            Self::Text(TextFormat::IpOrCidr) => f.write_str("a string with an address or a network"),
            Self::Object => f.write_str("an object"),
            Self::List(of) => write!(f, "a list of {}", of.plural()),
            Self::Map(of) => write!(f, "an object of {}", of.plural()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::JsonType;
    use serde_json::json;

    fn of(text: &str) -> JsonType {
        JsonType::read(text).unwrap_or_else(|| panic!("{text} is no type"))
    }

    #[test]
    fn a_value_is_accepted_as_by_go() {
        for (text, good, bad) in [
            ("boolean", json!(true), json!("true")),
            ("boolean|text", json!("True"), json!("yes")),
            ("integer", json!(-1), json!(1.0)),
            ("unsigned", json!(u64::MAX), json!(-1)),
            ("uint32", json!(4_294_967_295_u64), json!(4_294_967_296_u64)),
            ("int8", json!(-128), json!(128)),
            ("number", json!(0.1), json!("0.1")),
            ("string", json!("100"), json!(100)),
            ("ip", json!(""), json!(["192.0.2.1"])),
            ("object", json!({}), json!([])),
            ("[string]", json!(["a"]), json!(["a", 1])),
            ("[[object]]", json!([[{}]]), json!([{}])),
            ("{string}", json!({"a": "1"}), json!({"a": 1})),
            ("{[integer]}", json!({"a": [1]}), json!({"a": 1})),
        ] {
            assert!(of(text).accepts(&good), "{text}: {good}");
            assert!(!of(text).accepts(&bad), "{text}: {bad}");
            assert!(of(text).accepts(&json!(null)), "{text}: null");
        }
    }

    #[test]
    fn a_type_has_a_name_with_its_article() {
        for (text, name) in [
            ("integer", "an integer"),
            ("uint16", "an integer from 0 to 65535"),
            ("[cidr]", "a list of networks"),
            ("[[object]]", "a list of lists of objects"),
            ("{string}", "an object of strings"),
        ] {
            assert_eq!(of(text).to_string(), name);
        }
        assert_eq!(*of("[[object]]").element(), JsonType::Object);
        for text in ["", "strings", "[string", "[]", "{", "int7"] {
            assert_eq!(JsonType::read(text), None, "{text}");
        }
    }
}
