//! Workloads instead of a Pod: their pod template is tested.

mod common;

use common::edited::{Files, P, S, assert_refused};
use plumbline_core::plan::Plan;
use plumbline_core::scenario::render;
use serde_json::json;

const ANNOTATION: &str = "k8s.v1.cni.cncf.io/networks: '[{ \"name\": \"one\", \"interface\": \"eth1\" }]'";

/// The scenario with a workload instead of its pod. `more` is added to the spec beside the pod template.
fn files(api: &str, kind: &str, more: &str) -> Files {
    let template = format!(
        "template:\n    metadata:\n      labels: {{ app: pod }}\n      annotations:\n        {ANNOTATION}\n    spec:\n      containers:\n      - {{ name: a, image: b }}\n"
    );
    let spec = match kind {
        "CronJob" => format!(
            "  schedule: '* * * * *'\n  jobTemplate:\n    spec:\n{more}      {}",
            template.replace("\n    ", "\n        ")
        ),
        _ => format!("{more}  {template}"),
    };
    let mut files = Files::new();
    let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: pod\nspec:\n{spec}");
    files.0.insert(P, text.into_bytes());
    files
}

fn load(files: &Files) -> Plan {
    files.load().unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.pods.iter().map(|pod| pod.name.as_str()).collect()
}

#[test]
fn each_kind_of_workload_is_tested_by_its_pods() {
    for (api, kind, more, pods) in [
        ("apps/v1", "Deployment", "", &["pod-1"][..]),
        ("apps/v1", "Deployment", "  replicas: 3\n", &["pod-1", "pod-2", "pod-3"]),
        ("apps/v1", "ReplicaSet", "  replicas: 2\n", &["pod-1", "pod-2"]),
        ("apps/v1", "StatefulSet", "  replicas: 2\n", &["pod-0", "pod-1"]),
        ("apps/v1", "StatefulSet", "  ordinals: { start: 5 }\n", &["pod-5"]),
        ("apps/v1", "DaemonSet", "", &["pod-1", "pod-2"]),
        ("batch/v1", "Job", "  parallelism: 2\n", &["pod-1", "pod-2"]),
        ("batch/v1", "Job", "  parallelism: 3\n  completions: 2\n", &["pod-1", "pod-2"]),
        ("batch/v1", "CronJob", "", &["pod-1"]),
        ("batch/v1", "CronJob", "      parallelism: 2\n", &["pod-1", "pod-2"]),
    ] {
        let plan = load(&files(api, kind, more).replace_text(S, "topology:\n", "topology:\n  nodes: 2\n"));
        assert_eq!(names(&plan), pods, "{kind}");
        let workload = &plan.workloads[0];
        assert_eq!((workload.kind.as_str(), workload.name.as_str()), (kind, "pod"));
        assert_eq!(workload.pods, pods);
        assert!(plan.pods.iter().all(|pod| pod.attachments[0].interface == "eth1"), "{kind}");
        let manifest = &plan.pods[0].manifest;
        assert_eq!((&manifest["kind"], &manifest["metadata"]["name"]), (&json!("Pod"), &json!(pods[0])));
        assert_eq!(manifest["metadata"]["labels"], json!({ "app": "pod" }));
        assert_eq!(manifest["spec"]["containers"][0]["image"], json!("b"));
        // An expectation of the workload's name holds for each of its pods.
        assert_eq!(plan.expect.iter().map(|wanted| wanted.pod.as_str()).collect::<Vec<_>>(), pods, "{kind}");
        let nodes: Vec<Option<usize>> = plan.pods.iter().map(|pod| pod.node).collect();
        assert_eq!(nodes.contains(&Some(2)), kind == "DaemonSet", "{nodes:?}");
        let rendered: Vec<String> = render(&plan).into_iter().map(|(name, _)| name).collect();
        assert_eq!(rendered, ["network/one".to_owned(), format!("{}/pod", kind.to_lowercase())]);
    }
}

#[test]
fn one_pod_of_a_workload_has_expectations_of_its_own() {
    let files =
        files("apps/v1", "StatefulSet", "  replicas: 2\n").replace_text(S, "expect:\n  pod:", "expect:\n  pod-1:");
    let plan = load(&files);
    assert_eq!(plan.expect.len(), 1);
    assert_eq!(plan.expect[0].pod, "pod-1");
}

#[test]
fn workloads_that_cannot_be_tested_are_refused() {
    let deployment = |more: &str| files("apps/v1", "Deployment", more);
    for count in ["0", "11", "-1", "two"] {
        let what = format!("replicas: {count}");
        assert_refused(
            &what,
            &deployment(&format!("  {what}\n")),
            "s/pod.yaml:6:13",
            "spec.replicas",
            "expected 1 to 10",
        );
    }
    let job = files("batch/v1", "Job", "  parallelism: 11\n");
    assert_refused("parallelism", &job, "s/pod.yaml:6:16", "spec.parallelism", "expected 1 to 10");
    let job = files("batch/v1", "Job", "  completions: 0\n");
    assert_refused("completions", &job, "s/pod.yaml:6:16", "spec.completions", "expected 1 or more");
    let wrong = files("v1", "Deployment", "");
    assert_refused("apiVersion", &wrong, "s/pod.yaml:1:13", "apiVersion", "expected `apps/v1`");
    let without = deployment("").replace_text(P, "  template:", "  tmplate:");
    assert_refused("no template", &without, "s/pod.yaml:6:3", "spec.template", "pod template is missing");
    let privileged = deployment("").replace_text(P, "image: b", "image: b, securityContext: { privileged: true }");
    let field = "spec.template.spec.containers[0].securityContext.privileged";
    assert_refused("privileged", &privileged, "s/pod.yaml:13:61", field, "privileged");
    let copies = deployment("").replace_text(S, "manifest: pod.yaml", "{ manifest: pod.yaml, copies: 2 }");
    assert_refused("copies", &copies, "s/case.yaml:12:35", "pods[0].copies", "Deployment");
    let node =
        files("apps/v1", "DaemonSet", "").replace_text(S, "manifest: pod.yaml", "{ manifest: pod.yaml, node: 1 }");
    assert_refused("node", &node, "s/case.yaml:12:33", "pods[0].node", "DaemonSet");
}

/// Multus reads the annotation of pods only. It silently ignores the annotation of a workload's own metadata.
#[test]
fn an_annotation_on_the_workload_itself_is_refused() {
    for (api, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
    ] {
        let moved = files(api, kind, "").replace_text(
            P,
            "  name: pod\n",
            &format!("  name: pod\n  annotations:\n    {ANNOTATION}\n"),
        );
        let field = "metadata.annotations[k8s.v1.cni.cncf.io/networks]";
        let reason =
            format!("metadata of the {kind} itself, where Multus does not read it; move it to the pod template");
        assert_refused(kind, &moved, "s/pod.yaml:6:34", field, &reason);
    }
    let moved = files("batch/v1", "CronJob", "").replace_text(
        P,
        "  jobTemplate:\n",
        &format!("  jobTemplate:\n    metadata:\n      annotations:\n        {ANNOTATION}\n"),
    );
    let field = "spec.jobTemplate.metadata.annotations[k8s.v1.cni.cncf.io/networks]";
    assert_refused("CronJob", &moved, "s/pod.yaml:10:38", field, "metadata of the Job itself");
}
