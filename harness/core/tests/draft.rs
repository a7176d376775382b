//! Scenarios written from networks and pods: what is stated, what is left to a person, and that the text loads.

use plumbline_core::plan::Plan;
use plumbline_core::scenario::{Draft, DraftFile, InputError, LoadError, draft_scenario, load_scenario, scenario_name};
use std::path::PathBuf;

fn file(name: &str, text: &str) -> DraftFile {
    DraftFile { name: format!("mine/{name}"), manifest: name.to_owned(), text: text.to_owned() }
}

/// A network with these plugins.
fn nad(name: &str, plugins: &str) -> DraftFile {
    let text = format!(
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {{ name: {name} }}\n\
         spec:\n  config: '{{ \"cniVersion\": \"1.0.0\", \"plugins\": [ {plugins} ] }}'\n"
    );
    file(&format!("{name}.yaml"), &text)
}

/// A pod with this annotation.
fn pod(networks: &str) -> DraftFile {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\n  annotations:\n    k8s.v1.cni.cncf.io/networks: '{networks}'\n\
         spec: {{ containers: [{{ name: a, image: b }}] }}\n"
    );
    file("pod.yaml", &text)
}

fn draft(files: &[DraftFile]) -> Result<Draft, Vec<InputError>> {
    draft_scenario("mine", "mine", files)
}

/// The text, and the plan that it gives.
fn loaded(files: &[DraftFile]) -> (String, Plan) {
    let Draft { scenario: text, manifests } = draft(files).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let templates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../suites/templates");
    let read = |path: &str| {
        let of_files = files.iter().find(|file| file.manifest == path).map(|file| file.text.clone().into_bytes());
        let own = (path == "mine.yaml").then(|| text.clone().into_bytes());
        let written = || manifests.iter().find(|(name, _)| name == path).map(|(_, text)| text.clone().into_bytes());
        let template = || path.strip_prefix("templates/").and_then(|name| std::fs::read(templates.join(name)).ok());
        of_files.or(own).or_else(written).or_else(template).ok_or(LoadError::NotFound)
    };
    let plan = load_scenario("mine.yaml", &read).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
    (text, plan)
}

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other.trim().trim_start_matches("- ") == *line), "{line:?} is not in\n{text}");
    }
}

const STATIC: &str = r#""ipam": { "type": "static", "addresses": [{ "address": "10.1.0.5/24", "gateway": "10.1.0.1" }], "routes": [{ "dst": "10.9.0.0/16" }, { "dst": "10.8.0.0/16", "gw": "10.1.0.9" }] }"#;

#[test]
fn static_addresses_and_routes_are_stated() {
    let main = format!(r#"{{ "type": "macvlan", "master": "br-ex", "mtu": 1400, {STATIC} }}"#);
    let (text, plan) = loaded(&[nad("one", &main), pod("one@eth1")]);
    has(
        &text,
        &[
            "# one: macvlan",
            "requires: [macvlan]",
            "{ name: br-ex }",
            "eth1: { kind: macvlan, parent: br-ex, mtu: 1400, addresses: [10.1.0.5/24] }",
            "{ to: 10.9.0.0/16, via: 10.1.0.1 }",
            "{ to: 10.8.0.0/16, via: 10.1.0.9 }",
            "default: { dev: eth0, count: 1 }",
        ],
    );
    assert_eq!(plan.expect[0].interfaces[0].routes.as_ref().unwrap().items.len(), 2);
}

#[test]
fn route_override_and_tuning_change_what_is_stated() {
    let main = format!(r#"{{ "type": "macvlan", "master": "ens4.100", {STATIC} }}"#);
    let chain = format!(
        r#"{main}, {{ "type": "tuning", "mtu": 1300 }}, {{ "type": "route-override", "delroutes": [{{ "dst": "10.9.0.0/16" }}],
        "addroutes": [{{ "dst": "172.16.0.0/12", "gw": "10.1.0.1" }}, {{ "dst": "fd00::/64", "gw": "fe80::1" }}] }}"#
    );
    let (text, plan) = loaded(&[nad("one", &chain.replace('\n', " ")), pod("one")]);
    has(
        &text,
        &[
            "{ name: ens4.100, parent: ens4, vlan: 100 }",
            "net1: { kind: macvlan, parent: ens4.100, mtu: 1300, addresses: [10.1.0.5/24] }",
            "{ to: 172.16.0.0/12, via: 10.1.0.1 }",
            r#"{ to: "fd00::/64", via: "fe80::1" }"#,
        ],
    );
    assert!(!text.contains("10.9.0.0/16"), "{text}");
    assert_eq!(plan.topology.links.len(), 1);

    let flushed = format!(r#"{main}, {{ "type": "route-override", "flushroutes": true }}"#);
    assert!(!loaded(&[nad("one", &flushed), pod("one")]).0.contains("\n    routes:"));
    let by_args = r#"[{ "name": "one", "cni-args": { "addroutes": [{ "dst": "10.7.0.0/16", "gw": "10.1.0.1" }] } }]"#;
    let text = loaded(&[nad("one", &chain.replace('\n', " ")), pod(by_args)]).0;
    assert!(text.contains("10.7.0.0/16") && !text.contains("172.16.0.0/12"), "{text}");
}

#[test]
fn addresses_of_the_annotation_need_the_capability() {
    let request = r#"[{ "name": "one", "interface": "eth1", "ips": ["10.1.0.7/24"], "mac": "02:00:00:00:00:07" }]"#;
    let main = format!(
        r#"{{ "type": "macvlan", "master": "br-ex", "capabilities": {{ "ips": true, "mac": true }}, {STATIC} }}"#
    );
    let text = loaded(&[nad("one", &main), pod(request)]).0;
    has(&text, &[r#"eth1: { kind: macvlan, parent: br-ex, mac: "02:00:00:00:00:07", addresses: [10.1.0.7/24] }"#]);
    let main = format!(r#"{{ "type": "macvlan", "master": "br-ex", {STATIC} }}"#);
    let text = loaded(&[nad("one", &main), pod(request)]).0;
    has(&text, &["eth1: { kind: macvlan, parent: br-ex, addresses: [10.1.0.5/24] }"]);
}

#[test]
fn what_is_not_stated_is_left_to_a_person() {
    let (text, _) = loaded(&[
        nad("one", r#"{ "type": "bridge", "ipam": { "type": "host-local" } }, { "type": "odd" }"#),
        pod("one"),
    ]);
    has(
        &text,
        &[
            "# Run it with --plugin NAME=PATH or --cni-path DIR: Plumbline has no odd.",
            "# decide: host-local gives the addresses: list them if they are always the same.",
            "# decide: what odd changes is not known here.",
            "net1: { kind: veth }",
        ],
    );
    assert!(!text.contains("topology:"), "{text}");
    let sbr = format!(r#"{{ "type": "macvlan", "master": "br-ex", {STATIC} }}, {{ "type": "sbr" }}"#);
    let text = loaded(&[nad("one", &sbr), pod("one")]).0;
    has(&text, &["# decide: sbr moves its routes into another table: list them with `table`."]);
    assert!(!text.contains("10.9.0.0/16"), "{text}");
}

#[test]
fn a_second_default_route_is_a_decision_and_a_requested_one_is_not() {
    let main = r#"{ "type": "macvlan", "master": "br-ex", "ipam": { "type": "dhcp" } }"#;
    let chain =
        format!(r#"{main}, {{ "type": "route-override", "addroutes": [{{ "dst": "0.0.0.0/0", "gw": "10.1.0.1" }}] }}"#);
    let text = loaded(&[nad("one", &chain), pod("one")]).0;
    has(&text, &["# decide: net1 may have a default route beside eth0. Which one is used?"]);
    assert!(!text.contains("\n    default:"), "{text}");
    let request = r#"[{ "name": "one", "default-route": ["10.1.0.1", "fd00::1"] }]"#;
    let text = loaded(&[nad("one", main), pod(request)]).0;
    has(&text, &["default: { dev: net1, via: 10.1.0.1 }", r#"default6: { dev: net1, via: "fd00::1" }"#]);
}

#[test]
fn a_pod_alone_names_networks_of_the_cluster_and_networks_alone_get_a_pod() {
    let (text, plan) = loaded(&[pod("one, other/two")]);
    has(&text, &["lanes: [kind]", "existing: one", "existing: two", "namespace: other"]);
    assert_eq!(plan.networks.len(), 2);
    let (text, plan) = loaded(&[nad("one", r#"{ "type": "dummy" }"#), nad("two", r#"{ "type": "vrf" }"#)]);
    has(&text, &["template: pod/plain.yaml", "{ name: two, interface: net2 }", "net1: { kind: dummy }"]);
    assert_eq!(plan.pods[0].attachments.len(), 2);
}

#[test]
fn a_workload_is_expected_under_its_own_name() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  replicas: 2\n  template:\n    metadata:\n      \
                annotations: { k8s.v1.cni.cncf.io/networks: one }\n    spec: { containers: [{ name: a, image: b }] }\n";
    let (text, plan) = loaded(&[nad("one", r#"{ "type": "dummy" }"#), file("web.yaml", text)]);
    has(&text, &["# Each pod of the Deployment.", "web:"]);
    assert_eq!(plan.expect.len(), 2);
}

#[test]
fn names_that_yaml_reads_as_something_else_are_quoted() {
    for name in ["on", "12", "null"] {
        let mut network = nad(name, r#"{ "type": "dummy" }"#);
        network.text = network.text.replace(&format!("name: {name} "), &format!("name: '{name}' "));
        let (text, plan) = loaded(&[network]);
        has(&text, &[&format!("manifest: {name}.yaml"), &format!("{{ name: \"{name}\", interface: net1 }}")]);
        assert_eq!(plan.pods[0].attachments[0].network, name);
    }
}

#[test]
fn a_file_with_networks_and_pods_is_split() {
    let network = nad("one", r#"{ "type": "dummy" }"#).text;
    let mixed = format!("# all\n{}---\nkind: Service\n---\n# of app\n{network}", pod("one").text);
    let (text, plan) = loaded(&[
        file("sub/app.yaml", &mixed),
        file("app.yaml", &mixed.replace("one", "two").replace(": app", ": app2")),
    ]);
    has(
        &text,
        &[
            "manifest: mine/app-networks.yaml",
            "manifest: mine/app-pods.yaml",
            "manifest: mine/app-2-networks.yaml",
            "# app.yaml: Service is left out, it is neither a network nor a pod.",
        ],
    );
    assert_eq!((plan.networks.len(), plan.pods.len()), (2, 2));
    let manifests = draft(&[file("app.yaml", &mixed)]).unwrap().manifests;
    assert_eq!(manifests[0].1, format!("---\n# of app\n{network}"));
    assert_eq!(manifests[1].1, format!("# all\n{}", pod("one").text));
    assert_eq!(draft(&[file("app.yaml", &network)]).unwrap().manifests, []);
}

#[test]
fn bad_files_are_refused_at_their_place() {
    let refused = |files: &[DraftFile], wanted: &str| {
        let errors = draft(files).unwrap_err();
        assert!(errors[0].to_string().contains(wanted), "{wanted}: {errors:?}");
    };
    refused(&[], "no object");
    refused(&[file("a.yaml", "a: [\n")], "mine/a.yaml:");
    refused(&[file("a.yaml", "\nkind: Service\n")], "mine/a.yaml:2:1: kind: is \"Service\"");
    refused(&[pod("[{ \"nam\": 1 }]")], "mine/pod.yaml:6:34");
    refused(
        &[file(
            "a.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: { hostNetwork: true, containers: [{ name: a }] }\n",
        )],
        "spec.hostNetwork",
    );
}

#[test]
fn a_scenario_is_named_after_its_file() {
    for (stem, wanted) in [("My_Test", "my-test"), ("a", "a"), ("", "scenario"), ("--", "scenario"), ("ä", "scenario")]
    {
        assert_eq!(scenario_name(stem), wanted, "{stem}");
    }
    assert_eq!(scenario_name(&"x".repeat(80)).len(), 63);
}

/// What `kubectl get -o yaml` prints: as it is for one sort of objects, each sort written anew for two.
#[test]
fn the_items_of_a_list_are_objects() {
    let network = r#"{"apiVersion":"k8s.cni.cncf.io/v1","kind":"NetworkAttachmentDefinition","metadata":{"name":"one"},"spec":{"config":"{\"cniVersion\":\"1.0.0\",\"type\":\"macvlan\",\"master\":\"eth1\"}"}}"#;
    let app = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"app","annotations":{"k8s.v1.cni.cncf.io/networks":"one"}},"spec":{"containers":[{"name":"a","image":"b"}]}}"#;
    let list = |items: &str| file("all.json", &format!(r#"{{"apiVersion":"v1","kind":"List","items":[{items}]}}"#));
    let (text, plan) = loaded(&[list(network)]);
    has(&text, &["manifest: all.json", "# one: macvlan", "net1: { kind: macvlan, parent: eth1 }"]);
    assert_eq!(plan.networks.len(), 1);
    let (text, plan) = loaded(&[list(&format!("{network},{app}"))]);
    has(&text, &["manifest: mine/all-networks.yaml", "manifest: mine/all-pods.yaml"]);
    assert_eq!((plan.networks.len(), plan.pods.len()), (1, 1));
    let empty = draft(&[list("")]).unwrap_err();
    assert_eq!(
        empty[0].to_string(),
        "mine/all.json: no object; expected a NetworkAttachmentDefinition, a Pod or a workload"
    );
}

#[test]
fn a_network_without_addresses_of_its_own_gets_some_for_the_pod_that_is_written() {
    let main =
        r#"{ "type": "macvlan", "capabilities": { "ips": true }, "master": "eth1", "ipam": { "type": "static" } }"#;
    let (text, plan) = loaded(&[nad("one", main), nad("two", main)]);
    has(
        &text,
        &[
            "# decide: this network has the addresses that the pod requests. Which ones?",
            "{ name: one, interface: net1, ips: [192.0.2.10/24] }",
            "{ name: two, interface: net2, ips: [192.0.2.11/24] }",
            "net2: { kind: macvlan, parent: eth1, addresses: [192.0.2.11/24] }",
        ],
    );
    assert_eq!(plan.pods[0].attachments[1].ips, ["192.0.2.11/24"]);
    let (text, _) = loaded(&[nad("one", &main.replace("true", "false"))]);
    assert!(!text.contains("192.0.2."), "{text}");
}

#[test]
fn a_device_that_moves_into_the_pod_is_in_the_topology() {
    let (text, plan) = loaded(&[nad("one", r#"{ "type": "host-device", "device": "ens4" }"#)]);
    has(&text, &["uplinks: [{ name: outside }]", "{ name: ens4, uplink: outside }"]);
    assert_eq!(plan.topology.ports[0].name, "ens4");
    // The master of another network can't move.
    let master = r#"{ "type": "macvlan", "master": "ens4" }"#;
    let (text, _) = loaded(&[nad("one", r#"{ "type": "host-device", "device": "ens4" }"#), nad("two", master)]);
    assert!(!text.contains("uplinks: ["), "{text}");
}

#[test]
fn a_network_without_a_master_is_on_the_interface_of_the_default_route() {
    let (text, plan) =
        loaded(&[nad("one", r#"{ "type": "macvlan" }"#), nad("two", r#"{ "type": "macvlan", "master": "eth0" }"#)]);
    has(
        &text,
        &["{ name: eth0 }", "{ name: eth1, uplink: outside, addresses: [198.18.0.2/24], defaults: [198.18.0.1] }"],
    );
    assert_eq!(plan.topology.ports[0].name, "eth1");
    let in_pod = r#"{ "type": "macvlan", "linkInContainer": true }"#;
    for main in [r#"{ "type": "bridge" }"#, r#"{ "type": "vlan", "vlanId": 5 }"#, in_pod] {
        let (text, _) = loaded(&[nad("one", main)]);
        assert!(!text.contains("topology:"), "{text}");
    }
}

#[test]
fn a_bridge_that_is_the_default_gateway_leaves_the_default_route_to_a_person() {
    let (text, _) = loaded(&[nad("one", r#"{ "type": "bridge", "isDefaultGateway": true }"#)]);
    assert!(text.contains("# default: {") && !text.contains("    default: {"), "{text}");
    let (text, _) = loaded(&[nad("one", r#"{ "type": "bridge", "isGateway": true }"#)]);
    has(&text, &["default: { dev: eth0, count: 1 }"]);
}

#[test]
fn a_configuration_on_the_node_needs_a_cluster() {
    let text = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: { name: one }\n";
    let (text, plan) = loaded(&[file("one.yaml", text)]);
    has(&text, &["# one: a configuration that is not known here", "lanes: [kind]"]);
    assert_eq!(plan.lanes, ["kind"]);
}

#[test]
fn ipam_plugins_that_have_to_be_given_are_named() {
    let main = r#"{ "type": "macvlan", "master": "eth1", "ipam": { "type": "whereabouts", "range": "192.0.2.0/24" } }"#;
    let (text, _) = loaded(&[nad("one", main)]);
    has(&text, &["# Run it with --plugin NAME=PATH or --cni-path DIR: Plumbline has no whereabouts."]);
}
