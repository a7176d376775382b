//! `ip` in a namespace: what a person would run, kept as printed, and its JSON.

use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::observe::{Transcript, printable};
use plumbline_core::protocol::{IpOutputs, Target};
use serde::de::IgnoredAny;

use crate::process::{Ended, Job};
use crate::spawn::Program;

/// `ip` asks the kernel alone and is done in milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// Room for some hundred thousand routes.
const STDOUT_CAP_BYTES: usize = 32 * 1024 * 1024;

/// For people, each by itself, as they would type it.
const FOR_PEOPLE: [&str; 2] = ["ip a", "ip route"];

/// For the parser. One process for each family takes its questions from standard input (`ip -batch`), since most of
/// what `ip` costs is its start. The family has to be named: without one, `route show table all` tells both. Addresses
/// are wanted of both.
const FOR_PARSER: [(&str, &str, usize); 3] = [
    ("ip -j -d addr", "", 1),
    ("ip -j -d -4 -batch -", "route show table all\nrule\n", 2),
    ("ip -j -d -6 -batch -", "route show table all\nrule\n", 2),
];

/// The jobs, to be started inside the namespace; `ip -n` and `ip netns exec` can't be used in a private root, since
/// they mount sysfs anew.
#[must_use]
pub fn jobs() -> Vec<Job> {
    let job = |command: &str, questions: &str| Job {
        program: Program {
            argv: command.split(' ').map(str::to_owned).collect(),
            fed: !questions.is_empty(),
            ..Program::default()
        },
        stdin: questions.as_bytes().to_vec(),
        deadline: DEADLINE,
        stdout_cap: STDOUT_CAP_BYTES,
    };
    let people = FOR_PEOPLE.iter().map(|command| job(command, ""));
    people.chain(FOR_PARSER.iter().map(|(command, questions, _)| job(command, questions))).collect()
}

/// What they printed; none where there is no `ip` on the node.
#[must_use]
pub fn outputs(target: &Target, ends: &[Ended]) -> Option<IpOutputs> {
    let pod = match target {
        Target::Pod(name) | Target::Sandbox { name, .. } => name.clone(),
        Target::Netns(path) => path.clone(),
        Target::Node => "node".to_owned(),
        Target::NodeAt(number) => format!("node {number}"),
        Target::Host(name) => format!("host {name}"),
    };
    let (people, parser) = ends.split_at_checked(FOR_PEOPLE.len())?;
    if people.iter().any(|end| end.exit != Exit::Code(0)) {
        return None;
    }
    let transcripts = FOR_PEOPLE.iter().zip(people).map(|(command, end)| Transcript {
        pod: pod.clone(),
        command: (*command).to_owned(),
        text: printable(&String::from_utf8_lossy(&end.stdout)),
    });
    let answers = FOR_PARSER.iter().zip(parser).flat_map(|((_, _, count), end)| documents(end, *count));
    let [addr_json, route4_json, rule4_json, route6_json, rule6_json] = answers.collect::<Vec<_>>().try_into().ok()?;
    let transcripts = transcripts.collect();
    Some(IpOutputs { transcripts, addr_json, route4_json, route6_json, rule4_json, rule6_json })
}

/// The JSON documents of one batch; none at all when `ip` failed (BusyBox knows neither `-j` nor `-batch`, and a kernel
/// without IPv6 refuses its questions) or when their number is not that of the questions.
fn documents(end: &Ended, count: usize) -> Vec<Option<String>> {
    let text = String::from_utf8_lossy(&end.stdout);
    let mut stream = serde_json::Deserializer::from_str(&text).into_iter::<IgnoredAny>();
    let mut found = Vec::new();
    let mut begin = 0;
    while let Some(Ok(_)) = stream.next() {
        found.push(Some(text[begin..stream.byte_offset()].trim().to_owned()));
        begin = stream.byte_offset();
    }
    match end.exit == Exit::Code(0) && found.len() == count {
        true => found,
        false => vec![None; count],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(code: i32, stdout: &str) -> Ended {
        Ended {
            exit: Exit::Code(code),
            stdout: stdout.as_bytes().to_vec(),
            stderr: Vec::new(),
            flooded: false,
            start_error: None,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_batch_is_taken_apart_into_its_documents() {
        let whole = "[{\"a\":1}]\n[ ]\n[{\"b\":[2]}]\n";
        let wanted = ["[{\"a\":1}]", "[ ]", "[{\"b\":[2]}]"].map(|text| Some(text.to_owned()));
        assert_eq!(documents(&end(0, whole), 3), wanted);
        assert_eq!(documents(&end(0, whole), 2), vec![None; 2], "an answer too many");
        assert_eq!(documents(&end(1, whole), 3), vec![None; 3]);
        assert_eq!(documents(&end(0, "[1]\n[2"), 2), vec![None; 2], "cut");
    }

    #[test]
    fn without_json_the_texts_are_left() {
        let pod = Target::Pod("p".to_owned());
        let ends = [end(0, "1: lo\n"), end(0, "\n"), end(1, ""), end(1, ""), end(1, "")];
        let outputs = outputs(&pod, &ends).unwrap();
        assert_eq!((outputs.transcripts[0].text.as_str(), outputs.addr_json), ("1: lo\n", None));
        assert!(super::outputs(&pod, &[end(127, ""), end(0, ""), end(0, ""), end(0, ""), end(0, "")]).is_none());
    }
}
