//! The request: the configuration on standard input, the pod in `CNI_ARGS`.

use serde::Deserialize;

use plumbline_plugin::{Code, Failure};

/// The default MTU, as in Terway (`defaultMTU`).
const DEFAULT_MTU: u32 = 1500;

/// The plugin's own configuration. It ignores Terway's other keys, which terway-cli and the daemon read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Version of the protocol.
    #[serde(rename = "cniVersion", default)]
    pub version: String,
    /// The network's name.
    #[serde(default)]
    pub name: String,
    /// The pod's MTU, in bytes; 0 for the default.
    #[serde(default)]
    mtu: u32,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Code 6.
    pub fn read(text: &[u8]) -> Result<Self, Failure> {
        let undecoded = |error: serde_json::Error| {
            Failure::with_details(Code::Decoding, "failed to parse network config", error.to_string())
        };
        serde_json::from_slice(text).map_err(undecoded)
    }

    /// The pod's MTU, in bytes.
    pub fn mtu(&self) -> u32 {
        if self.mtu == 0 { DEFAULT_MTU } else { self.mtu }
    }
}

/// The pod from the container runtime's `CNI_ARGS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodArgs {
    /// The pod's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The id that Terway reports as the sandbox.
    pub container_id: String,
}

impl PodArgs {
    /// Reads `CNI_ARGS`: pairs `KEY=VALUE` with semicolons between them. Keys that Terway does not know are refused
    /// unless `IgnoreUnknown` is set, as in the CNI project's library (`pkg/types/args.go`).
    ///
    /// # Errors
    /// Code 6.
    pub fn read(text: &str) -> Result<Self, Failure> {
        let undecoded = |why: String| Failure::with_details(Code::Decoding, "failed to parse args", why);
        let mut args = Self::default();
        let (mut unknown, mut tolerant) = (Vec::new(), false);
        for pair in text.split(';').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(undecoded(format!("ARGS: invalid pair {pair:?}")));
            };
            match key {
                "IgnoreUnknown" => tolerant = matches!(value.to_ascii_lowercase().as_str(), "1" | "true"),
                "K8S_POD_NAME" => value.clone_into(&mut args.name),
                "K8S_POD_NAMESPACE" => value.clone_into(&mut args.namespace),
                "K8S_POD_INFRA_CONTAINER_ID" => value.clone_into(&mut args.container_id),
                _ => unknown.push(pair),
            }
        }
        if !unknown.is_empty() && !tolerant {
            return Err(undecoded(format!("ARGS: unknown args {unknown:?}")));
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_require_ignore_unknown() {
        let refused = PodArgs::read("K8S_POD_NAME=p;K8S_POD_UID=7").unwrap_err();
        assert_eq!(refused.code, Code::Decoding);
        assert!(refused.details.contains("K8S_POD_UID=7"), "{refused:?}");
        let args = PodArgs::read("IgnoreUnknown=1;K8S_POD_NAME=p;K8S_POD_UID=7;K8S_POD_NAMESPACE=n").unwrap();
        assert_eq!((args.name.as_str(), args.namespace.as_str()), ("p", "n"));
        assert!(PodArgs::read("K8S_POD_NAME").is_err());
    }

    #[test]
    fn the_mtu_has_a_default_and_foreign_keys_are_ignored() {
        let config =
            Config::read(br#"{"cniVersion":"0.4.0","name":"terway","type":"terway","symmetric_routing":true}"#);
        assert_eq!(config.unwrap().mtu(), 1500);
        assert_eq!(Config::read(br#"{"mtu":1400}"#).unwrap().mtu(), 1400);
        assert_eq!(Config::read(b"7").unwrap_err().code, Code::Decoding);
    }
}
