//! Plans of users' files without a scenario file.

use plumbline_core::bare::{BareRun, Nodes, Selection, in_system_namespaces, make_plans};
use plumbline_core::lint::InputFile;
use plumbline_core::plan::Plan;
use plumbline_core::scenario::InputError;

const NAD: &str = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\n";

fn nad(name: &str, config: &str) -> String {
    format!("---\n{NAD}metadata: {{ name: {name} }}\nspec:\n  config: '{config}'\n")
}

fn nad_in(namespace: &str, name: &str) -> String {
    nad(name, r#"{"cniVersion":"1.0.0","type":"bridge"}"#)
        .replace(&format!("name: {name} "), &format!("name: {name}, namespace: {namespace} "))
}

fn bridge(name: &str) -> String {
    nad(name, r#"{"cniVersion":"1.0.0","type":"bridge"}"#)
}

fn pod(metadata: &str, networks: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata:\n  {metadata}\n  annotations: {{ k8s.v1.cni.cncf.io/networks: '{networks}' }}\n\
         spec: {{ containers: [{{ name: a, image: b }}] }}\n"
    )
}

fn make(texts: &[&str], selection: &Selection, nodes: Nodes) -> Result<BareRun, Vec<InputError>> {
    let name = |number: usize| format!("f{number}.yaml");
    let files: Vec<InputFile> =
        texts.iter().enumerate().map(|(number, text)| InputFile::new(name(number), *text)).collect();
    make_plans(&files, selection, nodes)
}

fn plans(text: &str) -> Vec<Plan> {
    make(&[text], &Selection::default(), Nodes::Own).unwrap().plans
}

fn refusal(text: &str, nodes: Nodes) -> String {
    let errors = make(&[text], &Selection::default(), nodes).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Names of the plans, each with its pods and networks.
fn outline(plans: &[Plan]) -> Vec<String> {
    let line = |plan: &Plan| {
        let pods: Vec<&str> = plan.pods.iter().map(|pod| pod.name.as_str()).collect();
        let networks: Vec<&str> = plan.networks.iter().map(|network| network.name.as_str()).collect();
        format!("{}: {} / {}", plan.name, pods.join(" "), networks.join(" "))
    };
    plans.iter().map(line).collect()
}

#[test]
fn pods_that_share_a_network_are_one_plan_and_others_are_their_own() {
    let text = [
        bridge("one"),
        bridge("two"),
        bridge("three"),
        bridge("alone"),
        pod("name: a", "one, two"),
        pod("name: b", "three"),
        pod("name: c", "two"),
    ];
    assert_eq!(outline(&plans(&text.concat())), ["a: a c / one two", "b: b / three", "alone: alone / alone"]);
    // A pod that requests networks of two plans makes them one.
    let joined = [text.concat(), pod("name: d", "one, three")].concat();
    assert_eq!(outline(&plans(&joined)), ["a: a c b d / one two three", "alone: alone / alone"]);
}

#[test]
fn other_objects_are_counted() {
    let text = [
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n",
        "---\napiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: [{ name: a, image: b }] }\n",
        &bridge("one"),
        &pod("name: host", "one").replace("spec: {", "spec: { hostNetwork: true,"),
    ];
    let run = make(&[&text.concat()], &Selection::default(), Nodes::Own).unwrap();
    let passed: Vec<String> = run.passed_over.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    assert_eq!(passed, ["1 ConfigMap", "1 Pod in the node's own network namespace", "1 Pod that requests no network"]);
    assert_eq!(outline(&run.plans), ["one: one / one"]);
}

#[test]
fn a_selection_names_pods_and_networks() {
    let text = [bridge("one"), bridge("two"), pod("name: a", "one"), pod("name: b", "one")].concat();
    let of = |pods: &[&str], networks: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let selection = Selection { pods: words(pods), networks: words(networks), ..Selection::default() };
        make(&[&text], &selection, Nodes::Own).map(|run| outline(&run.plans))
    };
    assert_eq!(of(&["b"], &[]).unwrap(), ["b: b / one"]);
    assert_eq!(of(&[], &["two"]).unwrap(), ["two: two / two"]);
    assert_eq!(of(&[], &["one"]).unwrap(), ["a: a b / one"]);
    let refused = of(&["bb"], &["tow"]).unwrap_err();
    assert!(refused[0].to_string().contains("--pod bb"), "{refused:?}");
    assert!(refused[1].to_string().contains("did you mean two?"), "{refused:?}");
    // Both options together: the named pods that request a named network.
    assert_eq!(of(&["b"], &["one"]).unwrap(), ["b: b / one"]);
    let refused = of(&["b"], &["one", "two"]).unwrap_err();
    assert_eq!(refused.len(), 1, "{refused:?}");
    let words = "--nad two: is in no scenario of this selection: no selected pod requests it";
    assert!(refused[0].to_string().contains(words), "{refused:?}");
    let refused = of(&["b"], &["two"]).unwrap_err();
    let words = "--pod b: is in no scenario of this selection: it requests no selected network";
    assert!(refused[0].to_string().contains(words), "{refused:?}");
}

#[test]
fn a_missing_namespace_is_that_of_the_other_object() {
    // The network is applied where the pod is.
    let of = |text: String| {
        let plan = plans(&text).remove(0);
        (plan.networks[0].namespace.clone(), plan.pods[0].namespace.clone())
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(of(bridge("net") + &pod("name: a\n  namespace: x", "net")), (some("x"), some("x")));
    assert_eq!(of(bridge("net") + &pod("name: a", "right/net")), (some("right"), None));
    assert_eq!(of(nad_in("x", "net") + &pod("name: a", "net")), (some("x"), some("x")));
    assert_eq!(of(nad_in("default", "net") + &pod("name: a", "default/net")), (some("default"), None));
    let error = refusal(&(nad_in("x", "net") + &pod("name: a\n  namespace: right", "net")), Nodes::Own);
    assert!(error.contains("f0.yaml:") && error.contains("there is one in namespace `x`"), "{error}");
}

#[test]
fn a_network_in_two_files_is_that_of_the_pods_own_file() {
    let one = bridge("net") + &pod("name: a", "net");
    let two = nad("net", r#"{"cniVersion":"1.0.0","type":"ptp"}"#) + &pod("name: a", "net");
    let run = make(&[&one, &two], &Selection::default(), Nodes::Own).unwrap();
    assert_eq!(outline(&run.plans), ["a: a / net", "a-2: a / net"]);
    assert_eq!(run.plans[1].plugins[0].plugin, "ptp");
}

#[test]
fn different_networks_of_one_name_are_in_different_plans() {
    let one = bridge("lan") + &pod("name: a", "lan,common");
    let two = nad("lan", r#"{"cniVersion":"1.0.0","type":"ptp"}"#) + &pod("name: b", "lan,common");
    let run = make(&[&one, &two, &bridge("common")], &Selection::default(), Nodes::Own).unwrap();
    assert_eq!(outline(&run.plans), ["a: a / lan common", "b: b / lan common"]);
    let files: Vec<&str> = run.plans.iter().map(|plan| plan.networks[0].source.file.as_str()).collect();
    assert_eq!(files, ["f0.yaml", "f1.yaml"]);
}

#[test]
fn other_kinds_of_the_group_of_networks_are_passed_over_if_they_are_known() {
    let policy = "---\napiVersion: k8s.cni.cncf.io/v1beta1\nkind: MultiNetworkPolicy\nmetadata: { name: a }\n";
    let run = make(&[&(bridge("one") + policy)], &Selection::default(), Nodes::Own).unwrap();
    assert_eq!(run.passed_over.get("MultiNetworkPolicy"), Some(&1));
}

#[test]
fn a_bad_file_is_refused_at_its_place() {
    for (text, words) in [
        (bridge("net") + &bridge("net"), "is there twice in this file; first at f0.yaml:"),
        (pod("name: a", "nowhere"), "requests network `nowhere`, which these files do not have"),
        ((bridge("backend") + &pod("name: a", "bakend")), "did you mean `backend`?"),
        ((bridge("net") + &pod("name: a", "[{")), "f0.yaml:"),
        ("apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: { name: net }\nspec: { config: { type: a } }\n".to_owned(), "f0.yaml:4:17: spec.config: must be a string"),
        ("kind: Pod\nmetadata: [\n".to_owned(), "f0.yaml:"),
        ("a: 1\n".to_owned(), "f0.yaml:1:1: kind: is missing"),
        (
            bridge("net") + "---\napiVersion: plumbline.dev/v1alpha1\nkind: Scenario\n",
            "f0.yaml:8:13: apiVersion: a scenario does not belong beside objects without one; name its file or folder",
        ),
        (
            "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinitions\nmetadata: { name: net }\n".to_owned(),
            "f0.yaml:2:7: kind: `NetworkAttachmentDefinitions` is no kind of k8s.cni.cncf.io; did you mean \
             `NetworkAttachmentDefinition`?",
        ),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d, annotations: { k8s.v1.cni.cncf.io/networks: net } }\n\
     spec: { template: { spec: { containers: [{ name: a, image: b }] } } }\n".to_owned(),
    "where Multus does not read it"),
    ] {
        let error = refusal(&text, Nodes::Own);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_would_harm_a_cluster_is_refused_there_alone() {
    for (config, words) in [
        (r#"{"cniVersion":"1.0.0","type":"host-device","device":"eth0"}"#, "takes eth0 away from the node"),
        (r#"{"cniVersion":"1.0.0","type":"host-device","pciBusID":"0000:00:1f.6"}"#, "`pciBusID` may take"),
        (r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth0","mode":"passthru"}"#, "mode passthru"),
        (r#"{"cniVersion":"1.0.0","type":"macvlan","mode":"passthru"}"#, "mode passthru"),
        (r#"{"cniVersion":"1.0.0","plugins":[{"type":"bridge","bridge":"eth0"}]}"#, "interface eth0 as its bridge"),
        (r#"{"cniVersion":"1.0.0","type":"bond","links":[{"name":"eth0"}]}"#, "bond takes eth0 away"),
    ] {
        let error = refusal(&nad("net", config), Nodes::Cluster);
        assert!(error.contains(words) && error.contains("f0.yaml:6:"), "{config}: {error}");
        assert!(make(&[&nad("net", config)], &Selection::default(), Nodes::Own).is_ok(), "{config}");
    }
    for config in [
        r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth0","mode":"bridge"}"#,
        r#"{"cniVersion":"1.0.0","type":"macvlan","master":"ens3","mode":"passthru"}"#,
        r#"{"cniVersion":"1.0.0","type":"bond","linksInContainer":true,"links":[{"name":"eth0"}]}"#,
    ] {
        assert!(make(&[&nad("net", config)], &Selection::default(), Nodes::Cluster).is_ok(), "{config}");
    }
}

#[test]
fn on_a_cluster_nothing_is_built_in_place_of_the_nodes_own() {
    let text = nad("a", r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth0"}"#)
        + &nad("b", r#"{"cniVersion":"1.0.0","type":"macvlan"}"#)
        + &nad("c", r#"{"cniVersion":"1.0.0","type":"macvlan","master":"ens3.5"}"#)
        + &nad("d", r#"{"cniVersion":"1.0.0","type":"host-device","device":"ens4"}"#);
    let plans = make(&[&text], &Selection::default(), Nodes::Cluster).unwrap().plans;
    let links = |plan: &Plan| plan.topology.link_names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(links(&plans[0]), Vec::<String>::new());
    assert_eq!(links(&plans[1]), Vec::<String>::new());
    assert_eq!(links(&plans[2]), ["ens3", "ens3.5"]);
    assert!(plans.iter().all(|plan| plan.topology.ports.is_empty()));
    assert!(plans[3].unmet.as_deref().is_some_and(|why| why.contains("ens4")), "{:?}", plans[3].unmet);
}

#[test]
fn namespaces_of_the_cluster_are_refused_only_where_they_are_taken_as_written() {
    let run = plans(&nad_in("kube-system", "net"));
    assert_eq!(run[0].pods[0].namespace.as_deref(), Some("kube-system"));
    let errors = in_system_namespaces(&run[0]);
    assert_eq!(errors.len(), 2);
    assert!(errors[0].to_string().contains("belongs to the cluster itself"), "{errors:?}");
    assert!(in_system_namespaces(&plans(&nad_in("apps", "net"))[0]).is_empty());
}

#[test]
fn a_deployment_is_adapted_in_its_template_and_its_pods() {
    let text = bridge("net")
        + "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\nspec:\n  replicas: 2\n  template:\n    metadata: { annotations: { k8s.v1.cni.cncf.io/networks: net } }\n\
             \x20   spec:\n      volumes: [{ name: c, configMap: { name: x } }]\n      containers: [{ name: a, image: b, volumeMounts: [{ name: c, mountPath: /c }] }]\n";
    let plan = plans(&text).remove(0);
    assert_eq!(plan.pods.len(), 2);
    assert_eq!(plan.adaptations.len(), 1, "{:?}", plan.adaptations);
    assert_eq!(plan.adaptations[0].field, "spec.template.spec.volumes[c]");
    assert_eq!(plan.workloads[0].manifest["spec"]["template"]["spec"]["volumes"], serde_json::json!([]));
    assert_eq!(plan.pods[1].manifest["spec"]["containers"][0]["volumeMounts"], serde_json::json!([]));
}

#[test]
fn dhcp_and_devices_by_address_are_no_lanes() {
    for (config, words) in [
        (r#"{"cniVersion":"1.0.0","type":"macvlan","master":"ens3","ipam":{"type":"dhcp"}}"#, "DHCP server"),
        (r#"{"cniVersion":"1.0.0","type":"host-device","pciBusID":"0000:00:1f.6"}"#, "no device with this `pciBusID`"),
    ] {
        let unmet = plans(&nad("net", config)).remove(0).unmet;
        assert!(unmet.as_deref().is_some_and(|why| why.contains(words)), "{config}: {unmet:?}");
    }
}

#[test]
fn names_may_have_dots_as_those_of_objects_do() {
    let plan = plans(&bridge("vlan.100")).remove(0);
    assert_eq!((plan.name.as_str(), plan.pods[0].name.as_str()), ("vlan-100", "vlan.100"));
    assert_eq!(plan.pods[0].attachments[0].network, "vlan.100");
}

#[test]
fn no_text_makes_it_panic() {
    let config = r#"{"cniVersion":"1.0.0","plugins":[{"type":"macvlan","master":"ens3.7","ipam":{"type":"static","routes":[{"dst":"::/0","gw":"2001:db8::1"}]},"capabilities":{"ips":true}}]}"#;
    let text = nad("net", config) + &pod("name: a", "net") + &nad("other", config);
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        for (odd, nodes) in [("", Nodes::Own), ("{", Nodes::Cluster), ("\u{0}", Nodes::Own), ("ä: [", Nodes::Cluster)]
        {
            let cut = format!("{}{odd}", &text[..end]);
            let changed = format!("{cut}{}", &text[end + 1..]);
            for text in [cut, changed] {
                let _ = make(&[&text], &Selection::default(), nodes);
            }
        }
    }
}
