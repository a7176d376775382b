//! Recorded plugin calls in a compact form, edits of them, and what the judge finds.
//!
//! A recording has sections: `config`, `runtime` (its `runtimeConfig`), `args` (its `CNI_ARGS`), `base` (what the node has
//! beside `base.txt`), and for each plugin `result N`, `add N`, `del N`. Their rows are facts with a sign: `+` new,
//! `~` another value, `-` gone. `- pod eth1` means all facts of that link. Several attributes of a link, or sysctls of a
//! device, stand in one row.

use super::observed::{call, link};
use plumbline_core::cni::{AttachedChain, ChainOutcome, CniCommand, PluginCall, StateAfter, StateBefore};
use plumbline_core::judge::judge;
use plumbline_core::observe::{KernelState, Observation, PodObservation};
use plumbline_core::plan::Plan;
use plumbline_core::scenario::{LoadError, load_scenario};
use plumbline_core::state::{Change, FactKey, FactKind, NamespaceState, PodAndNode, Subject};
use serde_json::{Value, json};

/// Pod and node before the first chain: `lo` and one bridge.
const BASE: &str = include_str!("../fixtures/predict/base.txt");

const SCENARIO: &str = "\
apiVersion: plumbline.dev/v1alpha1
kind: Scenario
metadata: { name: topic/case }
topology:
  bridges: [{ name: br-ex }]
networks: [{ manifest: nad.yaml }]
pods: [{ manifest: pod.yaml }]
expect: { pod: { routes: { eth9: [] } } }
";

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: pod
  annotations:
    k8s.v1.cni.cncf.io/networks: one@eth1
spec:
  containers: [{ name: a, image: b }]
";

const NETWORK: &str = "\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: { name: one }
spec:
  config: |
";

/// One call of a plugin: its command and position, its result, and the rows of its changes.
#[derive(Debug, Clone)]
struct Step {
    command: CniCommand,
    position: usize,
    rows: Vec<String>,
    /// Whether its changes are there to be judged.
    is_judged: bool,
}

/// A recorded chain.
#[derive(Debug, Clone)]
pub struct Recording {
    config: String,
    runtime: Value,
    args: String,
    interface: &'static str,
    base: PodAndNode,
    results: Vec<Value>,
    steps: Vec<Step>,
}

impl Recording {
    /// Reads a recording.
    pub fn read(text: &str) -> Self {
        let mut recording = Self {
            config: String::new(),
            runtime: json!({}),
            args: "IgnoreUnknown=true".to_owned(),
            interface: "eth1",
            base: PodAndNode::default(),
            results: Vec::new(),
            steps: Vec::new(),
        };
        recording.base_rows(BASE);
        for section in text.split("== ").skip(1) {
            let (title, content) = section.split_once('\n').unwrap();
            let position = || title.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
            let rows = || content.lines().map(str::to_owned).collect();
            match title.split(' ').next().unwrap() {
                "config" => recording.config = content.to_owned(),
                "runtime" => recording.runtime = serde_json::from_str(content).unwrap(),
                "args" => recording.args = content.trim().to_owned(),
                "base" => recording.base_rows(content),
                "result" => recording.results.push(serde_json::from_str(content).unwrap()),
                "add" => recording.steps.push(Step {
                    command: CniCommand::Add,
                    position: position(),
                    rows: rows(),
                    is_judged: true,
                }),
                "del" => recording.steps.push(Step {
                    command: CniCommand::Del,
                    position: position(),
                    rows: rows(),
                    is_judged: true,
                }),
                other => panic!("unknown section {other}"),
            }
        }
        recording
    }

    /// The chain is for this interface.
    pub fn of_interface(mut self, interface: &'static str) -> Self {
        self.interface = interface;
        self
    }

    /// Changes what is there before the chain.
    pub fn base_rows(&mut self, rows: &str) {
        let changes = changes_of(rows.lines(), &self.base);
        self.base.apply(&changes);
    }

    /// Removes facts from what is there before the chain.
    pub fn remove_from_base(&mut self, is_removed: impl Fn(&FactKey) -> bool) {
        for state in [&mut self.base.pod, &mut self.base.node] {
            let kept = state.iter().filter(|(key, _)| !is_removed(key));
            let kept: Vec<(FactKey, String)> = kept.map(|(key, value)| (key.clone(), value.to_owned())).collect();
            *state = NamespaceState::default();
            kept.into_iter().for_each(|(key, value)| state.set(key, value));
        }
    }

    /// The same recording with another text in its configuration.
    pub fn with_config(mut self, from: &str, to: &str) -> Self {
        assert!(self.config.contains(from), "{from} is not in the configuration");
        self.config = self.config.replacen(from, to, 1);
        self
    }

    /// The same recording, judged up to a step, with these rows too: they replace recorded ones of the same facts.
    pub fn bent(mut self, step: &str, rows: &str) -> Self {
        let wanted = |one: &Step| step == format!("{:?} {}", one.command, one.position).to_lowercase();
        let place = self.steps.iter().position(wanted).unwrap_or_else(|| panic!("no step {step}"));
        self.steps[place + 1..].iter_mut().for_each(|later| later.is_judged = false);
        self.steps[place].rows.extend(rows.lines().map(|row| row.trim().to_owned()));
        self
    }

    /// The same recording with these rows of a step too.
    pub fn also(mut self, step: &str, rows: &str) -> Self {
        let wanted = |one: &&mut Step| step == format!("{:?} {}", one.command, one.position).to_lowercase();
        let place = self.steps.iter_mut().find(wanted).unwrap_or_else(|| panic!("no step {step}"));
        place.rows.extend(rows.lines().map(str::to_owned));
        self
    }

    /// The findings of a second DEL of the first plugin, as code and message.
    pub fn second_del(&self, edit: impl FnOnce(&mut PluginCall)) -> Vec<String> {
        let plan = self.plan();
        let mut state = self.base.clone();
        let added = self.outcome(&plan, CniCommand::Add, &mut state);
        let removed = self.outcome(&plan, CniCommand::Del, &mut state);
        let mut again = removed.calls.iter().find(|call| call.position == 0).unwrap().clone();
        edit(&mut again);
        let before = Some(StateBefore::Since(Vec::new()));
        let again = ChainOutcome { result: None, error: None, calls: vec![again], before };
        let pod = PodObservation {
            pod: "pod".to_owned(),
            kernel: Some(KernelState {
                links: vec![link(3, self.interface, None, None, &[])],
                ..KernelState::default()
            }),
            outcomes: vec![("one".to_owned(), added)],
            removals: vec![("one".to_owned(), removed), ("one".to_owned(), again)],
            ..PodObservation::default()
        };
        let judgement = judge(&plan, &Observation { pods: vec![pod], ..Observation::default() });
        let of_del = judgement.findings.iter().filter(|finding| finding.code.as_str().starts_with("PL5"));
        of_del.map(|finding| format!("{} {}", finding.code, finding.message)).collect()
    }

    /// The same recording with another result of a plugin, up to its ADD.
    pub fn with_result(mut self, position: usize, edit: impl FnOnce(&mut Value)) -> Self {
        edit(&mut self.results[position]);
        self.stopped_after(&format!("add {position}"))
    }

    /// The same recording without the calls after a step, as of a chain that stopped there.
    pub fn stopped_after(mut self, step: &str) -> Self {
        let place =
            self.steps.iter().position(|one| step == format!("{:?} {}", one.command, one.position).to_lowercase());
        self.steps.truncate(place.unwrap_or_else(|| panic!("no step {step}")) + 1);
        self
    }

    /// The plan of the one network and its pod.
    fn plan(&self) -> Plan {
        let config: String = self.config.lines().map(|line| format!("    {line}\n")).collect();
        let read = |path: &str| match path {
            "s/case.yaml" => Ok(SCENARIO.as_bytes().to_vec()),
            "s/pod.yaml" => Ok(POD.as_bytes().to_vec()),
            "s/nad.yaml" => Ok(format!("{NETWORK}{config}").into_bytes()),
            _ => Err(LoadError::NotFound),
        };
        let mut plan = load_scenario("s/case.yaml", &read).unwrap_or_else(|errors| panic!("{errors:?}"));
        plan.expect.clear();
        plan
    }

    /// The chain's calls of one command, after `state`, which they change.
    fn outcome(&self, plan: &Plan, command: CniCommand, state: &mut PodAndNode) -> ChainOutcome {
        let chain = plan.networks[0].chain.as_ref().unwrap();
        let before = state.clone();
        let mut calls = Vec::new();
        for step in self.steps.iter().filter(|step| step.command == command) {
            let plugin = &chain.links[step.position];
            let mut stdin = plugin.conf.clone();
            stdin["name"] = json!(chain.name);
            stdin["cniVersion"] = json!(chain.cni_version);
            stdin["runtimeConfig"] = self.runtime.clone();
            let previous = if command == CniCommand::Add { step.position.checked_sub(1) } else { None };
            if let Some(result) = previous.map(|index| &self.results[index]) {
                stdin["prevResult"] = result.clone();
            }
            let changes = changes_of(step.rows.iter().map(String::as_str), state);
            state.apply(&changes);
            let env = [
                ("CNI_CONTAINERID", "run-0"),
                ("CNI_IFNAME", self.interface),
                ("CNI_ARGS", &self.args),
                ("CNI_NETNS", "/run/netns/p"),
            ];
            calls.push(PluginCall {
                command,
                stdin,
                env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
                stdout: self.results.get(step.position).map(Value::to_string).unwrap_or_default(),
                changes: Some(changes).filter(|_| step.is_judged),
                ..call(&chain.name, step.position, &plugin.plugin, self.interface)
            });
        }
        ChainOutcome { result: None, error: None, calls, before: Some(StateBefore::Whole(before)) }
    }

    /// The findings of predictions, as `PL350 14 1/2 mtu of eth1 in the pod`: code, line of the configuration, plugin, fact.
    /// Each must name the interface.
    pub fn findings(&self) -> Vec<String> {
        self.judged().0
    }

    /// As [`findings`](Self::findings), where only the state after all calls of ADD is known, as of a pod in a cluster.
    pub fn findings_after(&self) -> Vec<String> {
        let plan = self.plan();
        let mut now = self.base.clone();
        let mut calls = self.outcome(&plan, CniCommand::Add, &mut now).calls;
        for call in &mut calls {
            call.changes = None;
            call.stdout = self.results.last().map(Value::to_string).unwrap_or_default();
            if let (Some(result), true) = (self.results.last(), call.position > 0) {
                call.stdin["prevResult"] = result.clone();
            }
        }
        let chain = AttachedChain {
            network: plan.networks[0].chain.as_ref().unwrap().name.clone(),
            ifname: self.interface.to_owned(),
            container_id: "run-0".to_owned(),
            calls,
        };
        let state_after = Some(StateAfter { baseline: Some(self.base.pod.clone()), now, chains: vec![chain] });
        self.findings_of(&plan, PodObservation { state_after, ..PodObservation::default() }).0
    }

    /// What the judge says of coverage: the number of predicted facts, and what is not modelled.
    pub fn coverage(&self) -> String {
        self.judged().1
    }

    fn judged(&self) -> (Vec<String>, String) {
        let plan = self.plan();
        let mut state = self.base.clone();
        let added = self.outcome(&plan, CniCommand::Add, &mut state);
        let removed = self.outcome(&plan, CniCommand::Del, &mut state);
        let outcomes = vec![("one".to_owned(), added)];
        let removals = vec![("one".to_owned(), removed)];
        self.findings_of(&plan, PodObservation { outcomes, removals, ..PodObservation::default() })
    }

    /// The findings of predictions, and the note about coverage.
    fn findings_of(&self, plan: &Plan, observed: PodObservation) -> (Vec<String>, String) {
        let links = vec![link(3, self.interface, None, None, &[])];
        let kernel = Some(KernelState { links, ..KernelState::default() });
        let pod = PodObservation { pod: "pod".to_owned(), kernel, ..observed };
        let judgement = judge(plan, &Observation { pods: vec![pod], ..Observation::default() });
        let lines_before = NETWORK.lines().count();
        let of_predictions = judgement
            .findings
            .iter()
            .filter(|finding| ["PL107", "PL350", "PL351", "PL352", "PL513"].contains(&finding.code.as_str()));
        let shown = of_predictions.map(|finding| {
            assert_eq!(finding.interface.as_deref(), Some(self.interface), "{finding:?}");
            assert_eq!(finding.pod.as_deref(), Some("pod"), "{finding:?}");
            let line = finding.source.as_ref().unwrap().line - lines_before;
            let (fact, plugin) = finding.message.split_once(" plugin ").unwrap_or((&finding.message, ""));
            let fact = [" differs with", " is left by", " changed with", " DEL of"]
                .iter()
                .fold(fact.to_owned(), |fact, verb| fact.replace(verb, ""));
            let place = plugin.split(" (").next().unwrap().replace(" of ", "/");
            format!("{} {line} {place} {fact}", finding.code)
        });
        let coverage = judgement.notes.iter().find_map(|note| note.strip_prefix("pod pod: "));
        (shown.collect(), coverage.unwrap_or_default().to_owned())
    }

    /// Asserts that each edit of a step gives exactly its one finding: step, rows, finding.
    #[track_caller]
    pub fn assert_bent(&self, cases: &[(&str, &str, &str)]) {
        let mut wrong = Vec::new();
        for (step, rows, finding) in cases {
            let found = self.clone().bent(step, rows).findings();
            if found != [*finding] {
                wrong.push(format!("{step}: {rows}\n  expected {finding}\n  found    {}", found.join("\n           ")));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The changes that rows describe. Of several rows about one fact the last counts.
fn changes_of<'a>(rows: impl Iterator<Item = &'a str>, before: &PodAndNode) -> Vec<Change> {
    let mut after = before.clone();
    for row in rows.filter(|row| !row.is_empty()) {
        let (sign, rest) = row.split_once(' ').unwrap();
        let (subject, rest) = rest.split_once(' ').unwrap();
        let subject = if subject == "pod" { Subject::Pod } else { Subject::Node };
        for (key, value) in facts_of(rest, after.of(subject)) {
            let value = (sign != "-").then_some(value);
            after.apply(&[Change { subject, key, before: None, after: value }]);
        }
    }
    before.changes_to(&after)
}

fn facts_of(text: &str, before: &NamespaceState) -> Vec<(FactKey, String)> {
    // A row of a whole link has no fact.
    let Some((head, facts)) = text.split_once(": ") else {
        return before
            .iter()
            .filter(|(key, _)| key.link == text)
            .map(|(key, _)| (key.clone(), String::new()))
            .collect();
    };
    let (kind, link) = head.split_once(' ').unwrap_or((head, ""));
    let kind: FactKind = serde_json::from_value(json!(kind)).unwrap();
    let has_many = matches!(kind, FactKind::Link | FactKind::Sysctl) && !link.is_empty();
    let facts: Vec<&str> = if has_many { facts.split("; ").collect() } else { vec![facts] };
    let fact = |fact: &str| {
        let (item, value) = fact.split_once(if has_many { "=" } else { " = " }).unwrap_or((fact, ""));
        let value = value.rsplit_once(" > ").map_or(value, |(_, later)| later).replace("\\n", "\n");
        let item = match item.split_once('/') {
            Some((family, name)) if kind == FactKind::Sysctl && has_many => format!("net/{family}/conf/{link}/{name}"),
            _ => item.to_owned(),
        };
        (FactKey::new(kind, link, item), value)
    };
    facts.into_iter().map(fact).collect()
}
