//! The request: checked in the order of the CNI project's Go library (cni v1.1.2, package skel), refused with its codes, then
//! passed to the command.

use plumbline_plugin::{Code, Failure, unknown_command, variable};
use serde_json::Value;

use crate::config::Config;
use crate::result::VERSIONS;
use crate::{add, check, json as reader};

/// The longest name of an interface, in bytes.
const INTERFACE_NAME_BYTES: usize = 15;

/// Serves a command.
pub fn serve(command: &str, input: &[u8]) -> Result<Option<Value>, Failure> {
    let value = reader::read(input).map_err(undecoded)?;
    network_name(&value)?;
    container_id(&variable("CNI_CONTAINERID"))?;
    interface_name(&variable("CNI_IFNAME"))?;
    let netns = variable("CNI_NETNS");
    match command {
        "ADD" => {
            supported(&value)?;
            add::add(Config::read(&value)?, &netns).map(Some)
        }
        "CHECK" => {
            knows_check(&value)?;
            supported(&value)?;
            check::check(&Config::read(&value)?, &netns).map(|()| None)
        }
        // Nothing is put back; a pod's routes go with its namespace.
        "DEL" => supported(&value).map(|()| None),
        other => Err(unknown_command(other)),
    }
}

fn undecoded(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Decoding, format!("error unmarshall network config: {error}"))
}

/// A string field of the configuration's top; missing and null are empty.
fn field<'a>(value: &'a Value, key: &str) -> Result<&'a str, Failure> {
    if !value.is_object() && !value.is_null() {
        return Err(undecoded("the configuration is not an object"));
    }
    match value.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(undecoded(format!("{key} is not a string"))),
    }
}

/// Starts with a letter or digit; letters, digits, underscore, dot and dash follow.
fn is_plain(text: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    text.as_bytes().split_first().is_some_and(|(first, rest)| first.is_ascii_alphanumeric() && rest.iter().all(inner))
}

fn network_name(value: &Value) -> Result<(), Failure> {
    match field(value, "name")? {
        "" => Err(Failure::new(Code::Config, "missing network name")),
        name if is_plain(name) => Ok(()),
        name => {
            let message = "invalid characters found in network name";
            Err(Failure::with_details(Code::Config, message, name))
        }
    }
}

fn container_id(id: &str) -> Result<(), Failure> {
    match id {
        "" => Err(Failure::new(Code::Container, "missing containerID")),
        id if is_plain(id) => Ok(()),
        id => {
            let message = "invalid characters in containerID";
            Err(Failure::with_details(Code::Environment, message, id))
        }
    }
}

fn interface_name(name: &str) -> Result<(), Failure> {
    let message = if name.is_empty() {
        "interface name is empty"
    } else if name.len() > INTERFACE_NAME_BYTES {
        "interface name is too long"
    } else if name == "." || name == ".." {
        "interface name is . or .."
    } else if name.chars().any(|letter| letter == '/' || letter == ':' || letter.is_whitespace()) {
        "interface name contains / or : or whitespace characters"
    } else {
        return Ok(());
    };
    Err(Failure::with_details(Code::Environment, message, name))
}

/// The configuration's version; 0.1.0 if it names none.
fn version(value: &Value) -> Result<&str, Failure> {
    field(value, "cniversion").map(|text| if text.is_empty() { "0.1.0" } else { text })
}

fn supported(value: &Value) -> Result<(), Failure> {
    let version = version(value)?;
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let list = VERSIONS.map(|known| format!("{known:?}")).join(" ");
    let details = format!("config is {version:?}, plugin supports [{list}]");
    Err(Failure::with_details(Code::Version, "incompatible CNI versions", details))
}

/// CHECK came with 0.4.0.
fn knows_check(value: &Value) -> Result<(), Failure> {
    let version = version(value)?;
    let numbers = version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
    let Some(numbers) = numbers.ok().filter(|numbers| numbers.len() < 4) else {
        return Err(Failure::new(Code::Decoding, format!("invalid version {version:?}")));
    };
    // Lists compare part by part; what is not written counts as zero, as the shorter list does.
    if numbers < vec![0, 4] {
        return Err(Failure::new(Code::Version, "config version does not allow CHECK"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn check_is_for_0_4_0_and_later() {
        for (version, fine) in [("0.3.1", false), ("0.4.0", true), ("1.0.0", true), ("0.4", true), ("", false)] {
            let outcome = knows_check(&json!({ "cniversion": version }));
            assert_eq!(outcome.is_ok(), fine, "{version}");
        }
        for wrong in ["one", "1.0.0.0"] {
            let failure = knows_check(&json!({ "cniversion": wrong })).unwrap_err();
            assert_eq!(failure.code, Code::Decoding);
        }
    }

    #[test]
    fn names_are_held_against_the_specification() {
        assert!(is_plain("a") && is_plain("0a_.-") && !is_plain("") && !is_plain("-a"));
        for wrong in ["", ".", "..", "a/b", "a:b", "a b", "sixteen-letters-"] {
            assert_eq!(interface_name(wrong).unwrap_err().code, Code::Environment, "{wrong}");
        }
        assert!(interface_name("fifteen-letters").is_ok());
    }

    #[test]
    fn a_configuration_that_is_no_object_is_not_decoded() {
        for value in [json!([]), json!({ "name": 5 })] {
            assert_eq!(network_name(&value).unwrap_err().code, Code::Decoding);
        }
        assert_eq!(network_name(&Value::Null).unwrap_err().code, Code::Config);
    }
}
