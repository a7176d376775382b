//! The output of `ip` in a namespace: for people, as printed, and for the parser, as JSON.

use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::observe::ip::IpOutputs;
use plumbline_core::observe::{Transcript, printable};
use plumbline_core::protocol::Target;
use serde::de::IgnoredAny;

use crate::process::{Job, ProcessResult};

/// `ip` queries the kernel only and takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// Room for some hundred thousand routes.
const STDOUT_CAP_BYTES: usize = 32 * 1024 * 1024;

/// For people: the commands that they would type.
const FOR_PEOPLE: [&str; 2] = ["ip a", "ip route"];

/// For the parser: command, standard input, number of JSON documents. One process for each family reads several commands
/// from standard input (`ip -batch`), because the start of `ip` is most of its cost. Without a family, `route show table
/// all` prints both. Addresses are read of both families.
const FOR_PARSER: [(&str, &str, usize); 3] = [
    ("ip -j -d addr", "", 1),
    ("ip -j -d -4 -batch -", "route show table all\nrule\n", 2),
    ("ip -j -d -6 -batch -", "route show table all\nrule\n", 2),
];

/// The jobs, to be started inside the namespace. `ip -n` and `ip netns exec` do not work in a private root, because they
/// mount sysfs.
pub fn jobs() -> Vec<Job> {
    let people = FOR_PEOPLE.iter().map(|line| (line, ""));
    let all = people.chain(FOR_PARSER.iter().map(|(line, stdin, _)| (line, *stdin)));
    all.map(|(line, stdin)| Job::from_line(line, stdin, DEADLINE, STDOUT_CAP_BYTES)).collect()
}

/// The outputs of the jobs; none where the node has no `ip`.
pub fn read_outputs(target: &Target, results: &[ProcessResult]) -> Option<IpOutputs> {
    let pod = match target {
        Target::Pod(name) | Target::Sandbox { name, .. } => name.clone(),
        Target::Netns(path) => path.clone(),
        Target::Node => "node".to_owned(),
        Target::NodeAt(number) => format!("node {number}"),
        Target::Host(name) => format!("host {name}"),
    };
    let (people, parser) = results.split_at_checked(FOR_PEOPLE.len())?;
    if people.iter().any(|result| result.exit != Exit::Code(0)) {
        return None;
    }
    let transcripts = FOR_PEOPLE.iter().zip(people).map(|(command, result)| Transcript {
        pod: pod.clone(),
        command: (*command).to_owned(),
        text: printable(&String::from_utf8_lossy(&result.stdout)),
    });
    let answers = FOR_PARSER.iter().zip(parser).flat_map(|((_, _, count), result)| split_documents(result, *count));
    let [addr_json, route4_json, rule4_json, route6_json, rule6_json] = answers.collect::<Vec<_>>().try_into().ok()?;
    let transcripts = transcripts.collect();
    Some(IpOutputs { transcripts, addr_json, route4_json, route6_json, rule4_json, rule6_json })
}

/// Splits the output of one batch into its JSON documents. All are none when `ip` failed (BusyBox has neither `-j` nor
/// `-batch`, and a kernel without IPv6 refuses the commands), or when there is another number of documents.
fn split_documents(result: &ProcessResult, count: usize) -> Vec<Option<String>> {
    let text = String::from_utf8_lossy(&result.stdout);
    let mut stream = serde_json::Deserializer::from_str(&text).into_iter::<IgnoredAny>();
    let mut found = Vec::new();
    let mut begin = 0;
    while let Some(Ok(_)) = stream.next() {
        found.push(Some(text[begin..stream.byte_offset()].trim().to_owned()));
        begin = stream.byte_offset();
    }
    match result.exit == Exit::Code(0) && found.len() == count {
        true => found,
        false => vec![None; count],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn result(code: i32, stdout: &str) -> ProcessResult {
        ProcessResult {
            exit: Exit::Code(code),
            stdout: stdout.as_bytes().to_vec(),
            stderr: Vec::new(),
            flooded: false,
            start_error: None,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn a_batch_is_split_into_its_documents() {
        let whole = "[{\"a\":1}]\n[ ]\n[{\"b\":[2]}]\n";
        let wanted = ["[{\"a\":1}]", "[ ]", "[{\"b\":[2]}]"].map(|text| Some(text.to_owned()));
        assert_eq!(split_documents(&result(0, whole), 3), wanted);
        assert_eq!(split_documents(&result(0, whole), 2), vec![None; 2], "one document too many");
        assert_eq!(split_documents(&result(1, whole), 3), vec![None; 3]);
        assert_eq!(split_documents(&result(0, "[1]\n[2"), 2), vec![None; 2], "a cut document");
    }

    #[test]
    fn without_json_the_texts_for_people_remain() {
        let pod = Target::Pod("p".to_owned());
        let results = [result(0, "1: lo\n"), result(0, "\n"), result(1, ""), result(1, ""), result(1, "")];
        let outputs = read_outputs(&pod, &results).unwrap();
        assert_eq!((outputs.transcripts[0].text.as_str(), outputs.addr_json), ("1: lo\n", None));
        let without_ip = [result(127, ""), result(0, ""), result(0, ""), result(0, ""), result(0, "")];
        assert!(read_outputs(&pod, &without_ip).is_none());
    }

    proptest! {
        #[test]
        fn no_output_makes_the_reader_panic(text in "([\\[\\]{}\":,0-9a-zä\n ]{0,12}){0,6}", count in 0..3_usize) {
            prop_assert_eq!(split_documents(&result(0, &text), count).len(), count);
        }
    }
}
