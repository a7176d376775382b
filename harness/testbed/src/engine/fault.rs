//! Converts the engine's errors into testbed errors, with hints.

use super::Endpoint;
use crate::error::{TestbedError, causes};
use bollard::errors::Error;

/// Whether the engine reports that the object does not exist (404).
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

/// Whether the engine reports that a removal is under way (409).
pub(super) fn is_under_way(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 409, message } if message.contains("in progress"))
}

/// A fault at `stage`: the engine's message, or that the engine no longer answers.
pub(super) fn testbed_error(endpoint: &Endpoint, stage: &str, error: &Error) -> TestbedError {
    let mut fault = TestbedError::new(stage, message(error));
    match error {
        Error::DockerResponseServerError { message, .. } | Error::DockerStreamError { error: message } => {
            fault.hint = find_hint(message).map(str::to_owned);
            fault
        }
        Error::RequestTimeoutError => {
            fault.with_hint(format!("check whether the engine at {endpoint} hangs: docker info"))
        }
        error if is_gone(error) => TestbedError::new(
            stage,
            format!("the container engine at {endpoint} no longer answers: {}", message(error)),
        )
        .with_hint("check its log, then run the same command again: plumbline restarts an engine that it started"),
        _ => fault,
    }
}

/// Whether the connection to the engine is lost or can't be made.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::HyperLegacyError { .. }
            | Error::HyperResponseError { .. }
            | Error::IOError { .. }
            | Error::SocketNotFoundError(_)
    )
}

/// The engine's own message, else the whole chain of causes.
pub(super) fn message(error: &Error) -> String {
    if let Error::DockerResponseServerError { status_code, message } = error {
        return format!("{} (HTTP {status_code})", message.trim());
    }
    causes(error)
}

/// The hint for a known message (of moby or containerd).
fn find_hint(message: &str) -> Option<&'static str> {
    let has = |part: &str| message.contains(part);
    if has("no space left on device") {
        Some("free some disk space: docker system df, docker system prune")
    } else if has("port is already allocated") || has("address already in use") {
        Some("another program has that port: ss -ltnp shows which")
    } else if has("Pool overlaps with other one on this address space") {
        Some("a network of the engine has that subnet already: docker network ls")
    } else if has("could not find an available") && has("address pool") {
        Some("the engine has no free subnet: docker network prune, or default-address-pools in its configuration")
    } else if has("toomanyrequests") || has("rate limit") {
        Some("the registry limits pulls: docker login, or use the profile hermetic, which pulls nothing")
    } else if has("denied")
        || has("unauthorized")
        || has("Client.Timeout")
        || has("no such host")
        || has("connection refused")
        || has("x509")
        || has("network is unreachable")
    {
        Some(
            "this host can't use the registry: check the network and docker login, or use the profile hermetic, which pulls nothing",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn a_refusal_of_the_registry_has_a_hint() {
        let text = r#"Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host"#;
        let fault = testbed_error(&Endpoint::usual(), "pull image registry.example/a:1", &server(500, text));
        assert!(fault.cause().contains(text), "{fault}");
        assert!(fault.hint.unwrap().contains("profile hermetic"));
    }

    #[test]
    fn a_full_disk_and_a_used_port_have_hints() {
        let of = |text: &str| testbed_error(&Endpoint::usual(), "x", &server(500, text)).hint.unwrap();
        assert!(of("write /var/lib/docker/tmp/x: no space left on device").contains("docker system prune"));
        assert!(of("driver failed: Bind for 127.0.0.1:6443 failed: port is already allocated").contains("ss -ltnp"));
    }

    #[test]
    fn an_unknown_message_is_passed_on_unchanged() {
        let fault = testbed_error(&Endpoint::usual(), "start container a", &server(400, "bad parameter\n"));
        assert_eq!(fault.to_string(), "start container a: bad parameter (HTTP 400)");
    }
}
