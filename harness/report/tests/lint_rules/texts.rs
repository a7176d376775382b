//! Short ways to write the texts of pairs.

/// A macvlan plugin without its braces.
pub const MACVLAN: &str = r#""type": "macvlan", "master": "eth1""#;

/// A NetworkAttachmentDefinition with this configuration.
pub fn nad(name: &str, config: &str) -> String {
    format!(
        "---\napiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: {name}\nspec:\n  config: '{config}'\n"
    )
}

/// A network `net` of one plugin with these keys.
pub fn bare(keys: &str) -> String {
    nad("net", &config(keys))
}

/// A network `net` with a list of these plugins, each without its braces.
pub fn list(plugins: &[&str]) -> String {
    nad("net", &config_list(plugins))
}

/// The configuration of one plugin with these keys.
pub fn config(keys: &str) -> String {
    format!(r#"{{ "cniVersion": "1.0.0", "name": "net", {keys} }}"#)
}

/// The configuration of a list of plugins.
pub fn config_list(plugins: &[&str]) -> String {
    let plugins: Vec<String> = plugins.iter().map(|keys| format!("{{ {keys} }}")).collect();
    config(&format!(r#""plugins": [ {} ]"#, plugins.join(", ")))
}

/// A macvlan network `net` with these keys of `ipam`.
pub fn ipam(keys: &str) -> String {
    bare(&format!(r#"{MACVLAN}, "ipam": {{ {keys} }}"#))
}

/// The same, whose pods choose their addresses.
pub fn by_pod(keys: &str) -> String {
    bare(&format!(r#"{MACVLAN}, "capabilities": {{ "ips": true }}, "ipam": {{ "type": "static", {keys} }}"#))
}

/// A network with one fixed address on this interface.
pub fn fixed(name: &str, master: &str, address: &str) -> String {
    let keys = format!(
        r#""type": "macvlan", "master": "{master}", "ipam": {{ "type": "static", "addresses": [ {{ "address": "{address}" }} ] }}"#
    );
    nad(name, &config(&keys))
}

/// A pod with this networks annotation.
pub fn pod(name: &str, networks: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations:\n    k8s.v1.cni.cncf.io/networks: '{networks}'\nspec: {{ containers: [ {{ name: a, image: b }} ] }}\n"
    )
}

/// A pod with one attachment to `net` that has these keys.
pub fn pod_with(keys: &str) -> String {
    pod("web", &format!(r#"[ {{ "name": "net", {keys} }} ]"#))
}

/// A Deployment whose pods have this networks annotation.
pub fn deployment(replicas: u32, networks: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: {replicas}\n  template:\n    metadata:\n      annotations:\n        k8s.v1.cni.cncf.io/networks: '{networks}'\n    spec: {{ containers: [ {{ name: a, image: b }} ] }}\n"
    )
}
