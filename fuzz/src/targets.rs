//! The table of targets: one for each parser of untrusted text.

use crate::properties::{ensure, errors_have_places, plan_holds, survives_json};
use crate::seeds;
use plumbline_agent::cni::config::{NetworkConfig, RuntimeValues};
use plumbline_core::lint::{InputFile, Options};
use plumbline_core::observe::{Observation, PodObservation, Reported, ip};
use plumbline_core::plan::Plan;
use plumbline_core::scenario::{InputError, LoadError, load_scenario, load_scenarios};
use plumbline_core::terway::{EniConfig, NodeFacts, Usage, alternatives, lint};
use plumbline_core::{chain, judge};
use plumbline_report::lint::LintOutcome;
use plumbline_report::lint::sarif::SarifLog;
use plumbline_report::paint;
use plumbline_testbed::inputs::archive::{ArchiveKind, read_archive};
use plumbline_testbed::inputs::limits::{Budget, MAX_TEXT};
use plumbline_testbed::journal::Line;
use serde_json::{Value, json};
use std::io::Cursor;
use std::sync::LazyLock;

/// A parser with its seeds and its check.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Parses an input. Gives the property that does not hold.
    pub check: fn(&[u8]) -> Result<(), String>,
}

/// Longest seed taken.
const LONGEST_SEED: usize = 8 * 1024;

/// Every target.
pub const TARGETS: [Target; 13] = [
    Target {
        name: "scenario",
        seeds: || seeds::read(&["suites/scenarios", "suites/negative"], ".yaml", LONGEST_SEED),
        check: scenario,
    },
    Target { name: "manifest", seeds: manifest_seeds, check: manifest },
    Target {
        name: "template-head",
        seeds: || seeds::read(&["suites/templates", "fuzz/seeds/template-head"], ".yaml", LONGEST_SEED),
        check: template,
    },
    Target {
        name: "annotation",
        seeds: || seeds::read(&["fuzz/seeds/annotation"], "", LONGEST_SEED),
        check: annotation,
    },
    Target {
        name: "cni-configuration",
        seeds: || seeds::read(&["fuzz/seeds/cni-configuration"], ".json", LONGEST_SEED),
        check: cni_configuration,
    },
    Target {
        name: "agent-cni-configuration",
        seeds: || seeds::read(&["fuzz/seeds/cni-configuration"], ".json", LONGEST_SEED),
        check: agent_cni_configuration,
    },
    Target {
        name: "cni-result",
        seeds: || seeds::read(&["fuzz/seeds/cni-result"], ".json", LONGEST_SEED),
        check: cni_result,
    },
    Target { name: "ip-json", seeds: || seeds::read(&["suites/golden/ip"], ".json", LONGEST_SEED), check: ip_json },
    Target { name: "ip-text", seeds: || seeds::read(&["suites/golden/ip"], ".txt", LONGEST_SEED), check: ip_text },
    Target {
        name: "eni-config",
        seeds: || {
            seeds::read(
                &["suites/chains", "suites/chains-negative", "suites/chain-changes"],
                "eni-config.yaml",
                LONGEST_SEED,
            )
        },
        check: eni_config,
    },
    Target { name: "journal", seeds: || seeds::read(&["fuzz/seeds/journal"], ".jsonl", LONGEST_SEED), check: journal },
    Target { name: "archive", seeds: || seeds::read(&["fuzz/seeds/archive"], "", LONGEST_SEED), check: archive },
    Target { name: "lint", seeds: lint_seeds, check: lint_text },
];

/// A scenario with the input as its network, as its pod, or as its template.
const CASE: &str = "case.yaml";
const INPUT: &str = "input.yaml";
const POD: &str = r#"{ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "pod" },
    "spec": { "containers": [{ "name": "a", "image": "b" }] } }"#;

fn load(case: &str, input: &[u8]) -> Result<Plan, Vec<InputError>> {
    load_scenario(CASE, &|path: &str| match path {
        CASE => Ok(case.as_bytes().to_vec()),
        INPUT | "templates/input.yaml" => Ok(input.to_vec()),
        "pod.yaml" => Ok(POD.as_bytes().to_vec()),
        _ => Err(LoadError::NotFound),
    })
}

fn check_plan(result: Result<Plan, Vec<InputError>>, file: &str, text: &[u8]) -> Result<(), String> {
    match result {
        Ok(plan) => plan_holds(&plan),
        Err(errors) => errors_have_places(&errors, file, text),
    }
}

/// A case around networks and pods, in YAML's flow style.
fn case(networks: &str, pods: &str) -> String {
    format!(
        "apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: topic/case }}\n\
         networks: [{networks}]\npods: [{pods}]\n"
    )
}

fn scenario(input: &[u8]) -> Result<(), String> {
    let result = load_scenarios(CASE, &|path: &str| match path {
        CASE => Ok(input.to_vec()),
        // `manifest: .` names the folder itself.
        "" => Err(LoadError::Refused("not a regular file".to_owned())),
        path if path.contains("templates/") => Err(LoadError::NotFound),
        path if path.contains("conflist") => Ok(br#"{ "name": "n", "plugins": [{ "type": "ptp" }] }"#.to_vec()),
        // A manifest: the same pod for any name, so that pods and expectations are read too.
        _ => Ok(POD.replace("\"pod\"", "\"chain-test-pod\"").into_bytes()),
    });
    match result {
        Ok(plans) => plans.iter().try_for_each(plan_holds),
        Err(errors) => errors_have_places(&errors, CASE, input),
    }
}

fn manifest_seeds() -> Vec<Vec<u8>> {
    let all = seeds::read(&["suites/scenarios", "suites/negative", "fuzz/seeds/manifest"], ".yaml", LONGEST_SEED);
    let is_object = |text: &Vec<u8>| !String::from_utf8_lossy(text).contains("kind: Scenario");
    all.into_iter().filter(is_object).collect()
}

fn manifest(input: &[u8]) -> Result<(), String> {
    check_plan(load(&case("{ manifest: input.yaml }", "{ manifest: pod.yaml }"), input), INPUT, input)?;
    check_plan(load(&case("", "{ manifest: input.yaml, copies: 2 }"), input), INPUT, input)
}

fn template(input: &[u8]) -> Result<(), String> {
    let values = "{ name: one, vlan: 100, address: 10.0.0.10/24, routes: [10.2.0.0/16] }";
    let entry = format!("{{ template: input.yaml, values: {values} }}");
    check_plan(load(&case(&entry, "{ manifest: pod.yaml }"), input), "templates/input.yaml", input)
}

fn annotation(input: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let mut pod: Value = serde_json::from_str(POD).map_err(|error| error.to_string())?;
    pod["metadata"]["annotations"] = json!({ "k8s.v1.cni.cncf.io/networks": text });
    let pod = pod.to_string();
    let networks = "{ existing: one }, { existing: two }, { existing: three, namespace: other }";
    let result = load(&case(networks, "{ manifest: input.yaml }"), pod.as_bytes());
    if let Ok(plan) = &result {
        let mut names: Vec<_> = plan.pods[0].attachments.iter().map(|attachment| &attachment.interface).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        ensure(names.len() == count, || format!("two attachments with one interface: {names:?}"))?;
        ensure(count <= 64, || format!("{count} attachments"))?;
    }
    check_plan(result, INPUT, pod.as_bytes())
}

fn cni_configuration(input: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    if let Ok(chain) = chain::parse(text, "name") {
        ensure(!chain.links.is_empty(), || "a chain without plugins".to_owned())?;
        ensure(chain.links.iter().all(|link| !link.plugin.contains('/')), || "a plugin that is a path".to_owned())?;
        survives_json(&chain)?;
    }
    let nad = json!({
        "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": { "name": "one" }, "spec": { "config": text },
    });
    let nad = nad.to_string();
    let result = load(&case("{ manifest: input.yaml }", "{ manifest: pod.yaml }"), nad.as_bytes());
    if let Ok(plan) = &result {
        let _ = judge::judge(plan, &Observation::default());
    }
    check_plan(result, INPUT, nad.as_bytes())
}

/// The plugins' configurations that the agent makes: one for each plugin, with any values of the runner.
fn agent_cni_configuration(input: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let Ok(config) = NetworkConfig::parse(text) else { return Ok(()) };
    ensure(!config.plugins.is_empty(), || "a configuration without plugins".to_owned())?;
    let result = json!({ "cniVersion": config.version.as_str(), "ips": [] });
    let values = RuntimeValues {
        prev_result: Some(&result),
        capability_args: [("mac".to_owned(), json!("02:00:00:00:00:01"))].into(),
        args_cni: Some(&result),
    };
    for position in 0..config.plugins.len() {
        let kind = config.plugin_type(position);
        ensure(!kind.is_empty() && !kind.contains('/'), || format!("plugin {position} has the type {kind:?}"))?;
        let plugin = config.plugin_config(position, &values);
        ensure(plugin["name"] == config.name.as_str(), || format!("plugin {position} has another name: {plugin}"))?;
        ensure(plugin["prevResult"] == result, || format!("plugin {position} has another previous result: {plugin}"))?;
    }
    Ok(())
}

/// A plan of one pod with one network, for judging results.
static PLAN: LazyLock<Result<Plan, Vec<InputError>>> = LazyLock::new(|| {
    let nad = r#"{ "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": { "name": "one" },
        "spec": { "config": "{ \"cniVersion\": \"1.0.0\", \"type\": \"macvlan\", \"master\": \"br-ex\" }" } }"#;
    let pod = POD.replace(
        "\"name\": \"pod\"",
        "\"name\": \"pod\", \"annotations\": { \"k8s.v1.cni.cncf.io/networks\": \"one@net1\" }",
    );
    let expect = "expect: { pod: { interfaces: { net1: { kind: macvlan, addresses: [10.0.0.2/24] } }, \
                  routes: { net1: [{ to: 10.1.0.0/16, via: 10.0.0.1 }] }, default: { dev: net1 } } }\n";
    let case = case("{ manifest: input.yaml }", "{ manifest: pod.yaml }") + expect;
    load_scenario(CASE, &|path: &str| match path {
        CASE => Ok(case.clone().into_bytes()),
        INPUT => Ok(nad.as_bytes().to_vec()),
        "pod.yaml" => Ok(pod.clone().into_bytes()),
        _ => Err(LoadError::NotFound),
    })
});

fn cni_result(input: &[u8]) -> Result<(), String> {
    let Ok(result) = serde_json::from_slice::<Value>(input) else { return Ok(()) };
    let plan = PLAN.as_ref().map_err(|errors| format!("the plan of this target: {errors:?}"))?;
    let reported = |result: Option<Value>, status: Option<Value>| Reported {
        interface: "net1".to_owned(),
        network: "one".to_owned(),
        result,
        status,
    };
    for reported in [reported(Some(result.clone()), None), reported(None, Some(result.clone()))] {
        let pod = PodObservation {
            pod: "pod".to_owned(),
            node: "node".to_owned(),
            kernel: Some(plumbline_core::observe::KernelState::default()),
            reported: vec![reported],
            ..PodObservation::default()
        };
        let observation = Observation { pods: vec![pod], ..Observation::default() };
        let judgement = judge::judge(plan, &observation);
        ensure(!judgement.findings.is_empty(), || format!("a pod without its interface passes: {result}"))?;
    }
    Ok(())
}

fn ip_json(input: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    ip::links_from_json(text).map_or(Ok(()), |links| survives_json(&links))?;
    for v6 in [false, true] {
        ip::routes_from_json(text, v6).map_or(Ok(()), |routes| survives_json(&routes))?;
        ip::rules_from_json(text, v6).map_or(Ok(()), |rules| survives_json(&rules))?;
    }
    Ok(())
}

fn ip_text(input: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    ip::links_from_text(text).map_or(Ok(()), |links| survives_json(&links))?;
    for v6 in [false, true] {
        ip::routes_from_text(text, v6).map_or(Ok(()), |routes| survives_json(&routes))?;
        ip::rules_from_text(text, v6).map_or(Ok(()), |rules| survives_json(&rules))?;
    }
    Ok(())
}

fn eni_config(input: &[u8]) -> Result<(), String> {
    match EniConfig::load(INPUT, &|_: &str| Ok(input.to_vec())) {
        Err(error) => errors_have_places(&[error], INPUT, input),
        Ok(config) => {
            let _ = lint(&config, &Usage::default(), None);
            let _ = alternatives(&config, &NodeFacts::default());
            Ok(())
        }
    }
}

fn journal(input: &[u8]) -> Result<(), String> {
    for line in input.split(|byte| *byte == b'\n') {
        if let Ok(line) = serde_json::from_slice::<Line>(line) {
            let text = serde_json::to_string(&line).map_err(|error| error.to_string())?;
            serde_json::from_str::<Line>(&text).map_err(|error| format!("{text} does not read back: {error}"))?;
            if let Line::Intent { effect, .. } = line {
                let _ = effect.to_string();
            }
        }
    }
    Ok(())
}

/// Every kind of archive, whatever the input begins with.
fn archive(input: &[u8]) -> Result<(), String> {
    for kind in [ArchiveKind::Tar, ArchiveKind::TarGz, ArchiveKind::Zip] {
        let read = read_archive(kind, "input", Cursor::new(input), &|_| true, &mut Budget::default());
        for text in read.iter().flat_map(|read| &read.texts) {
            ensure(text.name.starts_with("input/"), || format!("a member without its archive: {}", text.name))?;
            ensure(text.text.len() as u64 <= MAX_TEXT, || format!("{}: {} bytes", text.name, text.text.len()))?;
        }
    }
    Ok(())
}

fn lint_seeds() -> Vec<Vec<u8>> {
    let mut seeds = manifest_seeds();
    seeds.extend(seeds::read(&["fuzz/seeds/cni-configuration"], ".json", LONGEST_SEED));
    seeds.extend(seeds::read(&["suites/chains", "suites/chains-negative"], "eni-config.yaml", LONGEST_SEED));
    seeds
}

/// The whole lint: the input beside a network and a pod that it can refer to, and every report of it.
fn lint_text(input: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let files = vec![InputFile::new(INPUT, text), InputFile::new("pod.yaml", POD)];
    let report = plumbline_core::lint::lint(&files, &Options::default());
    let lines = input.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 2;
    for source in report.findings.iter().filter_map(|finding| finding.source.as_ref()) {
        ensure(source.file != INPUT || source.line <= lines, || format!("beyond the file's end: {source}"))?;
    }
    if !report.errors.is_empty() {
        errors_have_places(&report.errors, INPUT, input)?;
    }
    survives_json(&report)?;
    let outcome = LintOutcome::new(report, files, false);
    let human = paint::strip(&plumbline_report::lint::text::report(&outcome));
    for text in [human, plumbline_report::lint::github::report(&outcome)] {
        ensure(!text.chars().any(|c| c.is_control() && c != '\n'), || format!("control characters: {text:?}"))?;
    }
    serde_json::to_string(&SarifLog::new(&outcome)).map(drop).map_err(|error| format!("SARIF: {error}"))
}
