//! Names of clusters, and the labels of Plumbline's objects.

use data_encoding::HEXLOWER;
pub use plumbline_testbed::ids::{OWNER, OWNER_LABEL, RUN_LABEL};
use sha2::{Digest, Sha256};

/// The label key of objects that are deleted with a cluster. Its value is the cluster's name.
pub const CLUSTER_LABEL: &str = "plumbline.dev/cluster";
/// Namespace of the canaries.
pub const SYSTEM_NAMESPACE: &str = "plumbline-system";
/// Folder on the nodes with the agent.
pub const NODE_FOLDER: &str = "/opt/plumbline";

/// The name of the cluster of `profile` with the resolved content `content`: `plumbline-<profile>-<hash>`.
/// Different content gives a different name, so a running cluster with that name always fits.
pub fn cluster_name(profile: &str, content: &[u8]) -> String {
    format!("plumbline-{profile}-{}", &full_hash(content)[..8])
}

/// The profile in a cluster's name; none if it is not the name of a cluster of Plumbline.
pub fn profile_of(cluster: &str) -> Option<&str> {
    let (profile, hash) = cluster.strip_prefix("plumbline-")?.rsplit_once('-')?;
    (hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) && !profile.is_empty()).then_some(profile)
}

/// SHA-256 as lower-case hex.
pub fn full_hash(content: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clusters_name_contains_its_profile() {
        let name = cluster_name("openshift-like", b"x");
        assert_eq!(profile_of(&name), Some("openshift-like"));
        assert_eq!(profile_of("plumbline-mine"), None);
        assert_eq!(profile_of("kind"), None);
    }
}
