//! Objects: pods, workloads and networks that do not fit together.

use super::Pair;
use super::texts::{MACVLAN, bare, deployment, nad, pod};
use plumbline_core::lint::ClusterFacts;

/// In this namespace.
fn within(text: &str, namespace: &str) -> String {
    text.replacen("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"), 1)
}

pub fn pairs() -> Vec<Pair> {
    let net = || bare(MACVLAN);
    let template = deployment(1, "net");
    let misplaced = template
        .replacen("      annotations:\n        k8s.v1.cni.cncf.io/networks: 'net'\n", "      labels: { app: web }\n", 1)
        .replacen("metadata:\n", "metadata:\n  annotations: { k8s.v1.cni.cncf.io/networks: net }\n", 1);
    let whole = || ClusterFacts { has_all_networks: true, ..ClusterFacts::default() };
    let nameless = |spec: &str| {
        format!(
            "---\napiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {{ name: net }}\n{spec}"
        )
    };
    vec![
        Pair::new("annotation on a workload's own metadata", "PL618", net() + &misplaced, net() + &template),
        Pair::new(
            "annotation that Multus cannot read",
            "PL618",
            net() + &pod("web", r#"[ { "name": "net" }"#),
            net() + &pod("web", r#"[ { "name": "net" } ]"#),
        ),
        Pair::new(
            "one interface twice",
            "PL618",
            net() + &pod("web", "net@eth1,net@eth1"),
            net() + &pod("web", "net@eth1,net@eth2"),
        ),
        Pair::new(
            "network that does not exist",
            "PL619",
            net() + &pod("web", "net,lan"),
            net() + &pod("web", "net,net"),
        )
        .cluster(whole()),
        Pair::new(
            "network in another namespace",
            "PL619",
            within(&net(), "a") + &within(&pod("web", "net"), "b"),
            within(&net(), "a") + &within(&pod("web", "a/net"), "b"),
        ),
        Pair::new(
            "network that is not in these files",
            "PL640",
            net() + &pod("web", "net,nte"),
            net() + &pod("web", "net,net"),
        ),
        Pair::new(
            "network that no pod uses",
            "PL640",
            net() + &nad("lan", &super::texts::config(MACVLAN)) + &pod("web", "net"),
            net() + &pod("web", "net"),
        ),
        Pair::new(
            "name that OpenShift's webhook refuses",
            "PL641",
            nad("lan.one", &super::texts::config(MACVLAN)),
            nad("lan-1", &super::texts::config(MACVLAN)),
        ),
        Pair::new(
            "network without a configuration",
            "PL642",
            nameless(""),
            nameless("spec: { config: '{ \"cniVersion\": \"1.0.0\", \"type\": \"macvlan\" }' }\n"),
        ),
        Pair::new("annotation that ignores an unknown code", "PL602", ignoring("PL999"), ignoring("PL605")),
    ]
}

/// A network that ignores a code.
fn ignoring(code: &str) -> String {
    bare(MACVLAN).replacen(
        "  name: net\n",
        &format!("  name: net\n  annotations: {{ lint.plumbline.dev/ignore-{code}: why }}\n"),
        1,
    )
}
