//! Mutations of an input: of its bytes, of its lines, and of the words that parsers recognise.

use fastrand::Rng;

/// Longest input made.
const LONGEST: usize = 64 * 1024;

/// Pieces with a meaning in YAML, JSON, templates, output of `ip`, or numbers.
const WORDS: [&str; 84] = [
    "|",
    "|-",
    "|+",
    ">",
    ">-",
    ">+",
    "|2",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    "    ",
    "\"",
    "'",
    "\\",
    "\\u",
    "\\x4",
    "!",
    "!!str ",
    "!!int ",
    "!<",
    "&a ",
    "*a",
    "<<: ",
    "<<: *a",
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "- ",
    "? ",
    "#",
    " # ",
    "---\n",
    "\n---\n",
    "...\n",
    "%YAML 1.1\n",
    "%TAG ! x\n",
    "~",
    "null",
    "true",
    "yes",
    "0",
    "-1",
    "08",
    "0x1f",
    ".inf",
    "1e999",
    "18446744073709551616",
    "-9223372036854775809",
    "4294967296",
    "65536",
    "/33",
    "/129",
    "::",
    "0.0.0.0/0",
    "::ffff:10.0.0.1",
    "fe80::1%eth0",
    "{{ ",
    " }}",
    "{% for a in range(9) %}",
    "{% endfor %}",
    "{% if ",
    "{#",
    "{{ name",
    "@",
    "/",
    "..",
    "\0",
    "\u{1b}[31m",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "é",
    "🎉",
    "\\ud800",
    "via ",
    " dev ",
    "link/",
];

/// Changes a seed in one to six places.
pub(crate) fn mutate_seed(random: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pick(random, seeds).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..=6) {
        change(random, &mut input, seeds);
    }
    input.truncate(LONGEST);
    input
}

fn pick<'a, T>(random: &mut Rng, items: &'a [T]) -> Option<&'a T> {
    (!items.is_empty()).then(|| &items[random.usize(..items.len())])
}

fn change(random: &mut Rng, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = random.usize(..=input.len());
    let range = at..(at + random.usize(..=32)).min(input.len());
    match random.u8(..12) {
        0 => input.truncate(at),
        1 => drop(input.drain(range)),
        2 => {
            let piece = input[range].to_vec();
            let to = random.usize(..=input.len());
            input.splice(to..to, piece);
        }
        3 => {
            let byte = random.u8(..);
            input.splice(range.start..(range.start + 1).min(input.len()), [byte]);
        }
        4 => {
            let other = pick(random, seeds).cloned().unwrap_or_default();
            let from = random.usize(..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        5 => change_line(random, input),
        6 => change_number(random, input),
        7 => {
            let piece = input[range].repeat(random.usize(2..40));
            input.splice(at..at, piece);
        }
        8 | 9 => {
            let word = WORDS[random.usize(..WORDS.len())].bytes();
            input.splice(range, word);
        }
        _ => {
            let word = WORDS[random.usize(..WORDS.len())].bytes();
            input.splice(at..at, word);
        }
    }
}

/// Removes a line, doubles it, moves it, or changes its indentation.
fn change_line(random: &mut Rng, input: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = input.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return;
    }
    let at = random.usize(..lines.len());
    match random.u8(..5) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let to = random.usize(..lines.len());
            lines.swap(at, to);
        }
        3 => drop(lines[at].splice(0..0, [b' '; 2])),
        _ => {
            let blanks = lines[at].iter().take_while(|byte| **byte == b' ').count();
            lines[at].drain(..blanks.min(2));
        }
    }
    *input = lines.concat();
}

/// Replaces a number by another one.
fn change_number(random: &mut Rng, input: &mut Vec<u8>) {
    let begins: Vec<usize> = (0..input.len())
        .filter(|at| input[*at].is_ascii_digit() && (*at == 0 || !input[at - 1].is_ascii_digit()))
        .collect();
    if let Some(begin) = pick(random, &begins).copied() {
        let length = input[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = match random.u8(..4) {
            0 => random.u64(..).to_string(),
            1 => format!("{}", u64::from(random.u8(..))),
            2 => format!("{}", 1_u128 << random.u32(..100)),
            _ => format!("-{}", random.u32(..)),
        };
        input.splice(begin..begin + length, number.into_bytes());
    }
}
