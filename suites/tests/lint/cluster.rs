//! The lint of a cluster, against an API server made by hand.

use crate::api_server::ApiServer;
use crate::{code, suites};
use plumbline_suites::command::plumbline;
use plumbline_testbed::exec::Transcript;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NETWORKS: &str = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";
const NETWORKS_OF_MEDIA: &str = "/apis/k8s.cni.cncf.io/v1/namespaces/media/network-attachment-definitions";

/// A cluster's answers: a network in each of two namespaces, and a Deployment with its pod.
fn answers() -> BTreeMap<&'static str, Value> {
    let list = |items: Value| json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items });
    let network = |namespace: &str| {
        let config = r#"{ "cniVersion": "1.0.0", "type": "macvlan", "master": "eth1", "vlan": 100 }"#;
        json!({ "metadata": { "name": "lan", "namespace": namespace, "uid": namespace }, "spec": { "config": config } })
    };
    let annotations = json!({ "k8s.v1.cni.cncf.io/networks": "lan" });
    let spec = json!({ "containers": [{ "name": "a", "image": "b" }] });
    let deployment = json!({
        "metadata": { "name": "app", "namespace": "media", "uid": "app" },
        "spec": { "template": { "metadata": { "annotations": annotations }, "spec": spec } },
    });
    let owner =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "app", "uid": "app", "controller": true });
    let pod = json!({
        "metadata": { "name": "app-1", "namespace": "media", "annotations": annotations, "ownerReferences": [owner] },
        "spec": spec,
    });
    BTreeMap::from([
        (NETWORKS, list(json!([network("media"), network("other")]))),
        ("/api/v1/namespaces/media/pods", list(json!([pod]))),
        ("/apis/apps/v1/namespaces/media/deployments", list(json!([deployment]))),
        ("/apis/apps/v1/namespaces/media/replicasets", list(json!([]))),
        ("/apis/apps/v1/namespaces/media/statefulsets", list(json!([]))),
        ("/apis/apps/v1/namespaces/media/daemonsets", list(json!([]))),
        ("/apis/batch/v1/namespaces/media/jobs", list(json!([]))),
        ("/apis/batch/v1/namespaces/media/cronjobs", list(json!([]))),
        ("/apis", json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] })),
        ("/api/v1/nodes", list(json!([{ "metadata": { "name": "n" }, "spec": { "podCIDRs": ["10.244.0.0/24"] } }]))),
    ])
}

/// The same for a namespace without objects.
fn without_objects(namespace: &'static str) -> BTreeMap<&'static str, Value> {
    let mut answers = answers();
    let kinds = ["pods", "replicasets", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs"];
    for (kind, api) in kinds.iter().zip([
        "api/v1",
        "apis/apps/v1",
        "apis/apps/v1",
        "apis/apps/v1",
        "apis/apps/v1",
        "apis/batch/v1",
        "apis/batch/v1",
    ]) {
        let path: &'static str = format!("/{api}/namespaces/{namespace}/{kind}").leak();
        answers.insert(path, json!({ "metadata": {}, "items": [] }));
    }
    answers
}

async fn lint(server: &ApiServer, args: &[&str]) -> anyhow::Result<Transcript> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("config");
    std::fs::write(&config, server.kubeconfig())?;
    let cmd = plumbline(&[&["lint", "--context", "fake"], args].concat())?;
    Ok(cmd.env("KUBECONFIG", config.display().to_string()).run().await?)
}

#[tokio::test]
async fn a_cluster_is_only_read() -> anyhow::Result<()> {
    let server = ApiServer::start(answers())?;
    let done = lint(&server, &["-o", "json"]).await?;
    assert_eq!(code(&done), Some(0), "{}{}", done.stdout, done.stderr);
    let report: Value = serde_json::from_str(&done.stdout)?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let places: Vec<&str> = findings.iter().filter_map(|finding| finding["source"]["file"].as_str()).collect();
    assert!(places.contains(&"fake/media/networkattachmentdefinition/lan"), "{places:?}");
    assert!(places.iter().all(|place| place.starts_with("fake/media/")), "of other namespaces: {places:?}");
    let objects = report["objects"].to_string();
    assert!(objects.contains("Deployment") && !objects.contains("\"Pod\""), "{objects}");
    assert!(report["unknown"].to_string().contains("ranges of services"), "{report}");
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.starts_with("GET ")), "{requests:?}");
    Ok(())
}

#[tokio::test]
async fn what_may_not_be_read_is_an_error_or_named() -> anyhow::Result<()> {
    let mut answers = answers();
    answers.insert("/api/v1/nodes", 403.into());
    answers.insert(NETWORKS, 403.into());
    answers.insert(NETWORKS_OF_MEDIA, 403.into());
    let done = lint(&ApiServer::start(answers.clone())?, &[]).await?;
    assert_eq!(code(&done), Some(3), "{}{}", done.stdout, done.stderr);
    answers.insert(NETWORKS_OF_MEDIA, json!({ "metadata": {}, "items": [] }));
    let done = lint(&ApiServer::start(answers)?, &[]).await?;
    assert_eq!(code(&done), Some(0), "{}{}", done.stdout, done.stderr);
    for unknown in ["ranges of nodes", "networks of other namespaces"] {
        assert!(done.stdout.contains(&format!("unknown: {unknown}")), "{}", done.stdout);
    }
    Ok(())
}

/// Networks of other namespaces are no objects of this one.
#[tokio::test]
async fn a_namespace_without_objects_has_nothing_to_check() -> anyhow::Result<()> {
    let done = lint(&ApiServer::start(without_objects("typo"))?, &["-n", "typo"]).await?;
    assert_eq!(code(&done), Some(4), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.starts_with("NOTHING, no object to check"), "{}", done.stdout);
    Ok(())
}

/// A kind that may not be listed is named, and a network can be used by an object of it.
#[tokio::test]
async fn a_forbidden_kind_is_named_and_the_others_are_checked() -> anyhow::Result<()> {
    let mut answers = answers();
    let lan = answers[NETWORKS]["items"][0].clone();
    let mut unused = lan.clone();
    unused["metadata"]["name"] = json!("unused");
    answers.insert(NETWORKS, json!({ "metadata": {}, "items": [lan, unused] }));
    let whole = lint(&ApiServer::start(answers.clone())?, &[]).await?;
    assert!(whole.stdout.contains("PL640"), "{}", whole.stdout);
    answers.insert("/apis/batch/v1/namespaces/media/cronjobs", 403.into());
    let done = lint(&ApiServer::start(answers)?, &[]).await?;
    assert_eq!(code(&done), Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("unknown: objects of kind CronJob"), "{}", done.stdout);
    assert!(done.stdout.contains("PL601") && !done.stdout.contains("PL640"), "{}", done.stdout);
    Ok(())
}

#[tokio::test]
async fn files_are_checked_with_what_is_known_of_the_cluster() -> anyhow::Result<()> {
    let server = ApiServer::start(answers())?;
    let file = suites().join("lint/first/nad.yaml").display().to_string();
    let done = lint(&server, &[&file]).await?;
    assert_eq!(code(&done), Some(0), "{}{}", done.stdout, done.stderr);
    let requests = server.requests();
    assert!(!requests.iter().any(|request| request.contains("pods")), "{requests:?}");
    let refused = lint(&server, &[&file, "-n", "media"]).await?;
    assert_eq!(code(&refused), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--namespace"), "{}", refused.stderr);
    Ok(())
}
