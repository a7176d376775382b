//! What runc is asked to do, as far as it concerns capabilities.

use std::path::PathBuf;

/// runc's global options that take a value (`runc --help`); all others are switches.
const GLOBAL_WITH_VALUE: [&str; 5] = ["root", "log", "log-format", "criu", "rootless"];

/// The file that holds the capabilities of the process to start: `config.json` of the bundle for `create`, `run` and
/// `restore`, the file of `--process` for `exec`; none for every other request.
pub fn spec_file(arguments: &[String]) -> Option<PathBuf> {
    let (command, rest) = command(arguments)?;
    match command {
        "create" | "run" | "restore" => {
            let bundle = option(rest, &["bundle", "b"]).unwrap_or_else(|| ".".to_owned());
            Some(PathBuf::from(bundle).join("config.json"))
        }
        "exec" => option(rest, &["process", "p"]).map(PathBuf::from),
        _ => None,
    }
}

/// The command word, and what follows it.
fn command(arguments: &[String]) -> Option<(&str, &[String])> {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let Some(name) = flag(word) else {
            return Some((word, &arguments[at + 1..]));
        };
        at += if GLOBAL_WITH_VALUE.contains(&name) { 2 } else { 1 };
    }
    None
}

/// The value of the first option with one of `names`: `--name VALUE` or `--name=VALUE`, with one dash or two, as
/// runc's command line reader allows. Ends at `--`.
fn option(arguments: &[String], names: &[&str]) -> Option<String> {
    let mut words = arguments.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let Some(text) = flag(word) else { continue };
        match text.split_once('=') {
            Some((name, value)) if names.contains(&name) => return Some(value.to_owned()),
            None if names.contains(&text) => return words.next().cloned(),
            _ => {}
        }
    }
    None
}

/// A flag without its dashes; none for an ordinary word.
fn flag(word: &str) -> Option<&str> {
    word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<PathBuf> {
        spec_file(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_shim_asks_like_this() {
        let global = "--root /run/runc/moby --log /l/log.json --log-format json --systemd-cgroup";
        let create = of(&format!("{global} create --bundle /run/b --pid-file /run/b/init.pid 0123"));
        assert_eq!(create, Some("/run/b/config.json".into()));
        let exec = of(&format!("{global} exec --process /tmp/runc-process1 --detach --pid-file /p 0123"));
        assert_eq!(exec, Some("/tmp/runc-process1".into()));
    }

    #[test]
    fn short_forms_and_defaults() {
        assert_eq!(of("create -b /b x"), Some("/b/config.json".into()));
        assert_eq!(of("run x"), Some("./config.json".into()));
        assert_eq!(of("exec --process=/p x"), Some("/p".into()));
        assert_eq!(of("exec x sh"), None);
    }

    #[test]
    fn other_requests_concern_no_capabilities() {
        assert_eq!(of("--root create delete x"), None, "the word after --root is a folder");
        assert_eq!(of("state x"), None);
        assert_eq!(of("--version"), None);
    }
}
