//! Connects to the engine, and reads its information.

use super::{Endpoint, fault};
use crate::error::TestbedError;
use crate::wait::within;
use bollard::{API_DEFAULT_VERSION, Docker, errors::Error};
use std::time::Duration;

/// The limit for a single request, such as loading an image of some gigabytes on a slow disk.
const REQUEST: Duration = Duration::from_secs(900);
/// The limit for an engine's answer to the first request.
const GREETING: Duration = Duration::from_secs(10);

/// A container engine that answers.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) docker: Docker,
    endpoint: Endpoint,
}

/// An engine's information about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its version, for example `20.10.24+dfsg1`.
    pub version: String,
    /// Storage driver, for example `overlay2`.
    pub storage: String,
    /// The cgroup version, `1` or `2`; empty if the engine does not report it.
    pub cgroup: String,
    /// The default OCI runtime.
    pub runtime: String,
}

impl Engine {
    /// Connects to the user's engine (see [`Endpoint::of_user`]).
    ///
    /// # Errors
    /// [`TestbedError`] when nothing answers there, or the user may not connect, with a hint.
    pub async fn connect() -> Result<Self, TestbedError> {
        Self::connect_to(Endpoint::of_user()?).await
    }

    /// Connects to the engine at an endpoint, and negotiates the API version.
    ///
    /// # Errors
    /// [`TestbedError`] when nothing answers there, or the user may not connect, with a hint.
    pub async fn connect_to(endpoint: Endpoint) -> Result<Self, TestbedError> {
        let stage = "engine";
        let docker = open(&endpoint).map_err(|error| unreachable(&endpoint, &fault::message(&error)))?;
        let greeting = within(GREETING, docker.negotiate_version()).await.ok_or_else(|| {
            let cause = format!("no answer from {endpoint} within {} s", GREETING.as_secs());
            TestbedError::new(stage, cause).with_hint("check whether the engine hangs: docker info")
        })?;
        let docker = greeting.map_err(|error| {
            let message = fault::message(&error);
            if fault::is_gone(&error) {
                unreachable(&endpoint, &message)
            } else {
                fault::testbed_error(&endpoint, stage, &error)
            }
        })?;
        Ok(Self { docker, endpoint })
    }

    /// The engine's endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Checks that the engine still answers.
    ///
    /// # Errors
    /// [`TestbedError`] when it does not.
    pub async fn ping(&self) -> Result<(), TestbedError> {
        self.docker.ping().await.map(drop).map_err(|error| self.fault("ping engine", &error))
    }

    /// Reads the engine's information about itself.
    ///
    /// # Errors
    /// [`TestbedError`] when it does not answer.
    pub async fn info(&self) -> Result<EngineInfo, TestbedError> {
        let info = self.docker.info().await.map_err(|error| self.fault("read the engine's information", &error))?;
        Ok(EngineInfo {
            version: info.server_version.unwrap_or_default(),
            storage: info.driver.unwrap_or_default(),
            cgroup: info.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
            runtime: info.default_runtime.unwrap_or_default(),
        })
    }

    /// Ignores the error that an object to remove is missing.
    pub(super) fn accept_missing(&self, stage: &str, removed: Result<(), Error>) -> Result<(), TestbedError> {
        match removed {
            Err(error) if !fault::is_missing(&error) => Err(self.fault(stage, &error)),
            _ => Ok(()),
        }
    }

    /// An engine's error as a fault at `stage`.
    pub(super) fn fault(&self, stage: &str, error: &Error) -> TestbedError {
        fault::testbed_error(&self.endpoint, stage, error)
    }
}

fn open(endpoint: &Endpoint) -> Result<Docker, Error> {
    let docker = match endpoint.socket() {
        Some(socket) => {
            Docker::connect_with_unix(&socket.display().to_string(), REQUEST.as_secs(), API_DEFAULT_VERSION)?
        }
        None => Docker::connect_with_host(&endpoint.host)?.with_timeout(REQUEST),
    };
    Ok(docker)
}

fn unreachable(endpoint: &Endpoint, message: &str) -> TestbedError {
    let hint = if message.contains("ermission denied") {
        "add yourself to the group docker (sudo usermod -aG docker USER, then log in again) or run as root"
    } else if endpoint.is_usual() {
        "start it (sudo systemctl start docker), or let plumbline start one: plumbline up --yes (root, apt)"
    } else {
        "start that engine, or unset DOCKER_HOST or the docker context"
    };
    TestbedError::new("engine", format!("no container engine answers at {endpoint}: {message}")).with_hint(hint)
}
