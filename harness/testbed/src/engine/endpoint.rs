//! The endpoint of the user's engine: DOCKER_HOST, else the docker command's current context, else the usual socket.

use crate::error::{AtStage, TestbedError};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// The engine's default socket.
const USUAL: &str = "unix:///var/run/docker.sock";

/// The address of an engine, and the setting that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address in the form of DOCKER_HOST, for example `unix:///var/run/docker.sock`.
    pub host: String,
    /// The setting: `DOCKER_HOST`, `docker context NAME`, or `the usual place`.
    pub why: String,
}

impl Endpoint {
    /// The endpoint that the docker command would use (its order: DOCKER_HOST, DOCKER_CONTEXT, `currentContext` in
    /// its config.json, the usual socket). kind uses that command, so both must use the same engine.
    ///
    /// # Errors
    /// [`TestbedError`] when the named context can't be read.
    pub fn of_user() -> Result<Self, TestbedError> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let config =
            set("DOCKER_CONFIG").map(PathBuf::from).or_else(|| set("HOME").map(|h| PathBuf::from(h).join(".docker")));
        choose(set("DOCKER_HOST"), set("DOCKER_CONTEXT"), config.as_deref())
    }

    /// The usual socket.
    pub fn usual() -> Self {
        Self { host: USUAL.to_owned(), why: "the usual place".to_owned() }
    }

    /// Whether this is the usual socket. Plumbline starts an engine only there.
    pub fn is_usual(&self) -> bool {
        self.host == USUAL || self.host == "unix:///run/docker.sock"
    }

    /// The path of the socket, if the endpoint is a unix socket.
    pub fn socket(&self) -> Option<&Path> {
        self.host.strip_prefix("unix://").map(Path::new)
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.host, self.why)
    }
}

fn choose(host: Option<String>, context: Option<String>, config: Option<&Path>) -> Result<Endpoint, TestbedError> {
    if let Some(host) = host {
        return Ok(Endpoint { host, why: "DOCKER_HOST".to_owned() });
    }
    let named = context.or_else(|| {
        let text = std::fs::read(config?.join("config.json")).ok()?;
        let value: Value = serde_json::from_slice(&text).ok()?;
        value.get("currentContext")?.as_str().map(str::to_owned)
    });
    match (named.filter(|name| !name.is_empty() && name != "default"), config) {
        (Some(name), Some(config)) => of_context(&name, config),
        _ => Ok(Endpoint::usual()),
    }
}

/// A context's endpoint: the docker command keeps each in `contexts/meta/SHA256-OF-NAME/meta.json`.
fn of_context(name: &str, config: &Path) -> Result<Endpoint, TestbedError> {
    let digest = HEXLOWER.encode(&Sha256::digest(name));
    let path = config.join("contexts/meta").join(digest).join("meta.json");
    let stage = format!("read docker context {name} from {}", path.display());
    let text = std::fs::read(&path).at_stage(&stage)?;
    let meta: Value = serde_json::from_slice(&text).at_stage(&stage)?;
    let host = meta.pointer("/Endpoints/docker/Host").and_then(Value::as_str).filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| {
        TestbedError::new(&stage, "it names no docker endpoint").with_hint("run docker context ls, or set DOCKER_HOST")
    })?;
    Ok(Endpoint { host: host.to_owned(), why: format!("docker context {name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_settings_is_that_of_the_docker_command() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path();
        assert!(choose(None, None, Some(config)).unwrap().is_usual());
        std::fs::write(config.join("config.json"), r#"{"currentContext": "rootless", "auths": {}}"#).unwrap();
        let error = choose(None, None, Some(config)).unwrap_err();
        assert!(error.stage.starts_with("read docker context rootless"), "{error}");
        // sha256("rootless"), as the docker command names the folder.
        let digest = HEXLOWER.encode(&Sha256::digest("rootless"));
        let meta = config.join("contexts/meta").join(digest);
        std::fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Name": "rootless", "Endpoints": {"docker": {"Host": "unix:///run/user/1000/docker.sock"}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let rootless = choose(None, None, Some(config)).unwrap();
        assert_eq!(rootless.host, "unix:///run/user/1000/docker.sock");
        assert_eq!(rootless.why, "docker context rootless");
        assert!(choose(None, Some("default".into()), Some(config)).unwrap().is_usual());
        assert_eq!(choose(Some("tcp://h:1".into()), None, Some(config)).unwrap().why, "DOCKER_HOST");
    }
}
