//! What a plain scalar means to kubectl: the YAML 1.1 rules of the Go library that kubectl reads with
//! (`sigs.k8s.io/yaml`, `goyaml.v2/resolve.go`), which differ from YAML 1.2 in `yes`, `no`, `on`, `off`,
//! in octal numbers that begin with 0, and in `_` within numbers. Dates stay text there, and so here.

use super::node::Data;
use serde_json::{Number, Value};

/// The meaning of a plain (unquoted, untagged) scalar.
pub(super) fn resolve(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Plain(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Data::Plain(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Data::Plain(Value::Bool(false));
        }
        _ => {}
    }
    number(text).map_or_else(|| Data::Text(text.to_owned()), |number| Data::Plain(Value::Number(number)))
}

/// A number, where the text is one.
fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    if let Some(value) = unsigned(digits) {
        return match negative {
            true => i64::try_from(-i128::from(value)).ok().map(Number::from),
            false => Some(Number::from(value)),
        };
    }
    if is_float(digits) {
        return plain.parse::<f64>().ok().and_then(Number::from_f64);
    }
    None
}

/// An unsigned integer with Go's base prefixes: `0x`, `0o`, `0b`, and `0` for octal.
fn unsigned(digits: &str) -> Option<u64> {
    let lower = digits.to_ascii_lowercase();
    let (radix, rest) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if rest.is_empty() || !rest.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(rest, radix).ok()
}

/// Go's expression for floats: `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the sign taken off.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let bare = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !bare.is_empty() && all_digits(bare)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_mean_what_kubectl_makes_of_them() {
        for (text, wanted) in [
            ("yes", json!(true)),
            ("off", json!(false)),
            ("y", json!(true)),
            ("~", json!(null)),
            ("", json!(null)),
            ("0755", json!(493)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("1_000", json!(1000)),
            ("-7", json!(-7)),
            ("08", json!(8.0)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("2026-11-21", json!("2026-11-21")),
            ("192.168.100.10/24", json!("192.168.100.10/24")),
            ("1.2.3", json!("1.2.3")),
            ("fe80::1", json!("fe80::1")),
            ("12:30", json!("12:30")),
            ("yEs", json!("yEs")),
            ("-", json!("-")),
            (".", json!(".")),
        ] {
            let got = match resolve(text) {
                Data::Plain(value) => value,
                Data::Text(text) => Value::String(text),
                _ => unreachable!(),
            };
            assert_eq!(got, wanted, "{text:?}");
        }
    }
}
