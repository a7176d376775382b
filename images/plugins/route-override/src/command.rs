//! Checks the request in the order of the CNI project's Go library (cni v1.1.2, package skel), with its error codes, then
//! runs the command.

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
    check_network_name(&value)?;
    check_container_id(&variable("CNI_CONTAINERID"))?;
    check_interface_name(&variable("CNI_IFNAME"))?;
    let netns = variable("CNI_NETNS");
    match command {
        "ADD" => {
            check_version(&value)?;
            add::add(Config::read(&value)?, &netns).map(Some)
        }
        "CHECK" => {
            check_allows_check(&value)?;
            check_version(&value)?;
            check::check(&Config::read(&value)?, &netns).map(|()| None)
        }
        // DEL restores nothing: the kernel deletes a pod's routes with its namespace.
        "DEL" => check_version(&value).map(|()| None),
        other => Err(unknown_command(other)),
    }
}

fn undecoded(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Decoding, format!("error unmarshall network config: {error}"))
}

/// A string field on the configuration's top level. A missing field and null are empty.
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

/// Whether a text starts with a letter or digit and otherwise has only letters, digits, underscore, dot and dash.
fn is_plain(text: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    text.as_bytes().split_first().is_some_and(|(first, rest)| first.is_ascii_alphanumeric() && rest.iter().all(inner))
}

fn check_network_name(value: &Value) -> Result<(), Failure> {
    match field(value, "name")? {
        "" => Err(Failure::new(Code::Config, "missing network name")),
        name if is_plain(name) => Ok(()),
        name => {
            let message = "invalid characters found in network name";
            Err(Failure::with_details(Code::Config, message, name))
        }
    }
}

fn check_container_id(id: &str) -> Result<(), Failure> {
    match id {
        "" => Err(Failure::new(Code::Container, "missing containerID")),
        id if is_plain(id) => Ok(()),
        id => {
            let message = "invalid characters in containerID";
            Err(Failure::with_details(Code::Environment, message, id))
        }
    }
}

fn check_interface_name(name: &str) -> Result<(), Failure> {
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

/// The configuration's version; 0.1.0 if it has none.
fn version(value: &Value) -> Result<&str, Failure> {
    field(value, "cniversion").map(|text| if text.is_empty() { "0.1.0" } else { text })
}

fn check_version(value: &Value) -> Result<(), Failure> {
    let version = version(value)?;
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let list = VERSIONS.map(|known| format!("{known:?}")).join(" ");
    let details = format!("config is {version:?}, plugin supports [{list}]");
    Err(Failure::with_details(Code::Version, "incompatible CNI versions", details))
}

/// Refuses CHECK for versions before 0.4.0, which do not have it.
fn check_allows_check(value: &Value) -> Result<(), Failure> {
    let version = version(value)?;
    let numbers = version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
    let Some(numbers) = numbers.ok().filter(|numbers| numbers.len() < 4) else {
        return Err(Failure::new(Code::Decoding, format!("invalid version {version:?}")));
    };
    // Lists compare part by part. A missing part counts as zero, because a shorter list is smaller.
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
    fn check_is_allowed_from_0_4_0_on() {
        for (version, fine) in [("0.3.1", false), ("0.4.0", true), ("1.0.0", true), ("0.4", true), ("", false)] {
            let outcome = check_allows_check(&json!({ "cniversion": version }));
            assert_eq!(outcome.is_ok(), fine, "{version}");
        }
        for wrong in ["one", "1.0.0.0"] {
            let failure = check_allows_check(&json!({ "cniversion": wrong })).unwrap_err();
            assert_eq!(failure.code, Code::Decoding);
        }
    }

    #[test]
    fn invalid_names_are_refused() {
        assert!(is_plain("a") && is_plain("0a_.-") && !is_plain("") && !is_plain("-a"));
        for wrong in ["", ".", "..", "a/b", "a:b", "a b", "sixteen-letters-"] {
            assert_eq!(check_interface_name(wrong).unwrap_err().code, Code::Environment, "{wrong}");
        }
        assert!(check_interface_name("fifteen-letters").is_ok());
    }

    #[test]
    fn a_configuration_that_is_no_object_is_a_decoding_error() {
        for value in [json!([]), json!({ "name": 5 })] {
            assert_eq!(check_network_name(&value).unwrap_err().code, Code::Decoding);
        }
        assert_eq!(check_network_name(&Value::Null).unwrap_err().code, Code::Config);
    }
}
