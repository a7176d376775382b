//! Terway's settings in a cluster profile: `defaultNetworkProvider.settings`.

use ipnet::Ipv4Net;
use plumbline_cluster::profile::{Loaded, Profile, ProviderSpec};
use plumbline_testbed::error::TestbedError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The value of `defaultNetworkProvider.name`.
pub const PROVIDER: &str = "terway";
/// The place of the settings in a profile.
const PLACE: &str = "defaultNetworkProvider.settings";

/// Terway's settings in a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerwaySettings {
    /// Template of the values for Terway's own chart, relative to the profile's folder.
    pub values: PathBuf,
    /// The file with the adaptations of the chart's objects.
    pub adaptations: PathBuf,
    /// Template of the canary pod.
    pub canary: PathBuf,
    /// The stand-in for the cloud's network.
    pub eni: EniSettings,
}

/// The stand-in for the cloud's network: every node has its second interface on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EniSettings {
    /// The router's address on it, which is the gateway of every pod.
    pub gateway: Ipv4Addr,
    /// Each node's routing table for its second interface.
    pub table: u32,
    /// The pods' addresses of each node, in the order of the profile's nodes; within podSubnet.
    #[schemars(with = "Vec<String>")]
    pub pools: Vec<Ipv4Net>,
}

/// Terway's part of a profile.
///
/// # Errors
/// `TestbedError` at stage `profile` when the profile's provider is not Terway.
pub fn spec(loaded: &Loaded) -> Result<&ProviderSpec, TestbedError> {
    let spec = loaded.profile.default_network_provider.as_ref().filter(|spec| spec.name == PROVIDER);
    spec.ok_or_else(|| {
        TestbedError::new("profile", format!("profile {} is not for Terway", loaded.profile.metadata.name))
    })
}

impl TerwaySettings {
    /// Reads the settings strictly from a profile, and checks them.
    ///
    /// # Errors
    /// `TestbedError` at stage `profile`, with the wrong key.
    pub fn read(loaded: &Loaded) -> Result<Self, TestbedError> {
        let settings: Result<Self, String> =
            serde_json::from_value(spec(loaded)?.settings.clone()).map_err(|error| error.to_string());
        settings.and_then(|settings| settings.eni.check(&loaded.profile).map(|()| settings)).map_err(|what| {
            let profile = &loaded.profile.metadata.name;
            TestbedError::new("profile", format!("profile {profile}: {PLACE}: {what}"))
        })
    }
}

impl EniSettings {
    fn check(&self, profile: &Profile) -> Result<(), String> {
        if self.pools.len() != profile.nodes.len() {
            return Err(format!("eni.pools: expected {} pools, found {}", profile.nodes.len(), self.pools.len()));
        }
        let whole = profile.networking.pod_subnet;
        for (index, pool) in self.pools.iter().enumerate() {
            let overlaps = |other: &Ipv4Net| pool.contains(other) || other.contains(pool);
            if !whole.contains(pool) || pool.contains(&self.gateway) || self.pools[..index].iter().any(overlaps) {
                return Err(format!(
                    "eni.pools: {pool} is not inside {whole}, or overlaps with another pool or the gateway"
                ));
            }
        }
        if !whole.contains(&self.gateway) {
            return Err(format!("eni.gateway: {} is not inside {whole}", self.gateway));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_pool_that_overlaps_with_the_gateway_or_another_pool_is_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let loaded = Loaded::read(&root, "terway").unwrap();
        let text = std::fs::read_to_string(loaded.folder.join("profile.yaml")).unwrap();
        assert!(TerwaySettings::read(&loaded).is_ok());
        let read = |from: &str, to: &str| {
            assert!(text.contains(from));
            let profile = Profile::parse("p.yaml", &text.replace(from, to)).unwrap();
            TerwaySettings::read(&Loaded { profile, ..loaded.clone() }).unwrap_err().cause()
        };
        assert!(read("10.77.17.0/24,", "10.77.16.128/25,").contains("overlaps"));
        assert!(read("10.77.16.0/24,", "10.77.0.0/24,").contains("gateway"));
        assert!(read("[10.77.16.0/24, ", "[").contains("expected 3 pools, found 2"));
        assert!(read("gateway: 10.77.0.250", "gateway: 10.78.0.1").contains("10.78.0.1"));
        assert!(read("    canary: canary.yaml.j2\n", "    canari: canary.yaml.j2\n").contains("canari"));
        assert!(read("  name: terway\n  image", "  name: other\n  image").contains("not for Terway"));
    }
}
