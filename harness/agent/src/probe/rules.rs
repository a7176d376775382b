//! Which rules this kernel takes that are no links: nftables' fib, CONNMARK, IPVS. Each is made by the program that
//! plugins and `kube-proxy` call for it, since without the program nobody makes such a rule on the node either; all in a
//! network namespace that is then thrown away.

use std::collections::BTreeMap;
use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::protocol::Probed;

use crate::process::{Ended, Job};
use crate::spawn::Program;

/// They are done in milliseconds; a kernel that loads modules for them on an emulated processor needs some longer.
const DEADLINE: Duration = Duration::from_secs(10);

const STDOUT_CAP_BYTES: usize = 64 * 1024;

/// The capability, the command, and what it reads. Addresses are those for documentation (RFC 5737).
const TRIED: [(&str, &str, &str); 5] = [
    (
        "nftables-fib",
        "nft -f -",
        "table ip probe {\n  chain in {\n    type filter hook prerouting priority 0;\n    fib daddr type local accept\n  }\n}\n",
    ),
    ("connmark", "iptables -w 5 -t mangle -A PREROUTING -j CONNMARK --set-mark 1", ""),
    (
        "iptables-nat",
        "iptables -w 5 -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL -m multiport --destination-ports 1 \
         -m comment --comment probe -j DNAT --to-destination 192.0.2.1:80",
        "",
    ),
    ("ip6tables-nat", "ip6tables -w 5 -t nat -A POSTROUTING -m mark --mark 1/1 -j MASQUERADE", ""),
    ("ipvs", "ipvsadm -A -t 192.0.2.1:80 -s rr", ""),
];

/// The trials, to be started inside a namespace of their own.
#[must_use]
pub fn jobs() -> Vec<Job> {
    let job = |(_, command, stdin): &(&str, &str, &str)| Job {
        program: Program {
            argv: command.split(' ').map(str::to_owned).collect(),
            fed: !stdin.is_empty(),
            ..Program::default()
        },
        stdin: stdin.as_bytes().to_vec(),
        deadline: DEADLINE,
        stdout_cap: STDOUT_CAP_BYTES,
    };
    TRIED.iter().map(job).collect()
}

/// What their ends say, by capability.
#[must_use]
pub fn read(ends: &[Ended]) -> BTreeMap<String, Probed> {
    let each = TRIED.iter().zip(ends).map(|((name, command, _), end)| {
        let program = command.split(' ').next().unwrap_or_default();
        ((*name).to_owned(), one(program, end))
    });
    each.collect()
}

fn one(program: &str, end: &Ended) -> Probed {
    if let Some(error) = &end.start_error {
        return Probed { there: false, seen: format!("{program} can't be started on the node: {error}") };
    }
    if end.exit == Exit::Code(0) {
        return Probed { there: true, seen: format!("a rule of it was made by {program}") };
    }
    let said = String::from_utf8_lossy(&end.stderr);
    let seen = match said.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!("{program}: {line}"),
        None => format!("{program} ended with {:?} and no word of why", end.exit),
    };
    Probed { there: false, seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(exit: Exit, stderr: &str) -> Ended {
        Ended {
            exit,
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
            flooded: false,
            start_error: None,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn every_command_is_one_line_of_words() {
        for job in jobs() {
            assert!(job.program.argv.iter().all(|word| !word.is_empty() && !word.contains('\n')), "{:?}", job.program);
        }
    }

    #[test]
    fn only_a_rule_that_was_made_is_there() {
        let refused = end(Exit::Code(1), "\n  Can't initialize ipvs: Protocol not available\nAre you sure?\n");
        let absent = Ended { start_error: Some(std::io::ErrorKind::NotFound.into()), ..end(Exit::Code(127), "") };
        let fine = || end(Exit::Code(0), "a warning");
        let read = read(&[fine(), absent, fine(), fine(), refused]);
        let names = ["connmark", "ip6tables-nat", "iptables-nat", "ipvs", "nftables-fib"];
        assert_eq!(read.keys().collect::<Vec<_>>(), names);
        assert!(read["nftables-fib"].there, "{read:?}");
        assert_eq!(read["connmark"].seen, "iptables can't be started on the node: entity not found");
        assert_eq!(read["ipvs"].seen, "ipvsadm: Can't initialize ipvs: Protocol not available");
        assert!(!read["connmark"].there && !read["ipvs"].there);
        let killed = one("nft", &end(Exit::Signal(9), ""));
        assert_eq!((killed.there, killed.seen.as_str()), (false, "nft ended with Signal(9) and no word of why"));
    }
}
