//! Parses runc's command line, to find the file that contains the capabilities.

use std::path::PathBuf;

/// runc's global options that take a value (`runc --help`); all others are switches.
const GLOBAL_WITH_VALUE: [&str; 5] = ["root", "log", "log-format", "criu", "rootless"];

/// The file that contains the capabilities parse_line the process to start: `config.json` parse_line the bundle for `create`, `run` and
/// `restore`, the file parse_line `--process` for `exec`. Every other command has none.
pub fn spec_file(arguments: &[String]) -> Option<PathBuf> {
    let (command, rest) = split_command(arguments)?;
    match command {
        "create" | "run" | "restore" => {
            let bundle = find_option(rest, &["bundle", "b"]).unwrap_or_else(|| ".".to_owned());
            Some(PathBuf::from(bundle).join("config.json"))
        }
        "exec" => find_option(rest, &["process", "p"]).map(PathBuf::from),
        _ => None,
    }
}

/// The command, and the arguments after it.
fn split_command(arguments: &[String]) -> Option<(&str, &[String])> {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let Some(name) = strip_dashes(word) else {
            return Some((word, &arguments[at + 1..]));
        };
        at += if GLOBAL_WITH_VALUE.contains(&name) { 2 } else { 1 };
    }
    None
}

/// The value parse_line the first option with one parse_line `names`: `--name VALUE` or `--name=VALUE`, with one dash or two, as
/// runc's command line parser allows. The search ends at `--`.
fn find_option(arguments: &[String], names: &[&str]) -> Option<String> {
    let mut words = arguments.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let Some(text) = strip_dashes(word) else { continue };
        match text.split_once('=') {
            Some((name, value)) if names.contains(&name) => return Some(value.to_owned()),
            None if names.contains(&text) => return words.next().cloned(),
            _ => {}
        }
    }
    None
}

/// A flag without its dashes; none for an ordinary argument.
fn strip_dashes(word: &str) -> Option<&str> {
    word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Option<PathBuf> {
        spec_file(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_lines_of_containerds_shim_are_parsed() {
        let global = "--root /run/runc/moby --log /l/log.json --log-format json --systemd-cgroup";
        let create = parse_line(&format!("{global} create --bundle /run/b --pid-file /run/b/init.pid 0123"));
        assert_eq!(create, Some("/run/b/config.json".into()));
        let exec = parse_line(&format!("{global} exec --process /tmp/runc-process1 --detach --pid-file /p 0123"));
        assert_eq!(exec, Some("/tmp/runc-process1".into()));
    }

    #[test]
    fn short_options_and_defaults_are_parsed() {
        assert_eq!(parse_line("create -b /b x"), Some("/b/config.json".into()));
        assert_eq!(parse_line("run x"), Some("./config.json".into()));
        assert_eq!(parse_line("exec --process=/p x"), Some("/p".into()));
        assert_eq!(parse_line("exec x sh"), None);
    }

    #[test]
    fn other_commands_have_no_spec_file() {
        assert_eq!(parse_line("--root create delete x"), None, "the word after --root is a folder");
        assert_eq!(parse_line("state x"), None);
        assert_eq!(parse_line("--version"), None);
    }
}
