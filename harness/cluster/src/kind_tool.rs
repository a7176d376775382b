//! Creates clusters with the command kind. Everything else uses the engine and the API server.

use crate::node::NETWORK;
use crate::record::Home;
use crate::step::Notes;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::exec::Cmd;
use plumbline_testbed::journal::{Effect, Run, start_time};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const STAGE: &str = "cluster";
/// `kind create` takes 15 s for one node on two cores, 50 s for three.
const CREATE: Duration = Duration::from_secs(360);

/// The kind binary and the endpoint of its engine.
#[derive(Debug, Clone)]
pub struct KindTool {
    /// The binary.
    pub path: PathBuf,
    /// The engine's endpoint, in the form of DOCKER_HOST.
    pub engine: String,
}

impl KindTool {
    fn cmd(&self) -> Cmd {
        // KUBECONFIG is the user's. Every call names Plumbline's own file and must never use the user's.
        let cmd = Cmd::new(&self.path).without_env("KUBECONFIG").without_env("DOCKER_CONTEXT");
        cmd.env("DOCKER_HOST", &self.engine).env("KIND_EXPERIMENTAL_DOCKER_NETWORK", NETWORK)
    }

    /// Creates a cluster. The journal of `run` records the process while it runs. On failure kind removes what it created,
    /// because the call has no `--retain`.
    ///
    /// # Errors
    /// `TestbedError` with the command line and kind's last output.
    pub async fn create(&self, name: &str, home: &Home, run: &Arc<Run>, notes: &Notes) -> Result<(), TestbedError> {
        let (progress, journal) = (notes.clone(), run.clone());
        let entry = Arc::new(Mutex::new(None));
        let recorded = entry.clone();
        let cmd = self
            .cmd()
            .args(["create", "cluster", "--name", name, "--config"])
            .arg(home.kind_config().display().to_string())
            .arg("--kubeconfig")
            .arg(home.kubeconfig().display().to_string())
            .deadline(CREATE)
            // Without this entry, kind would continue after Plumbline was killed, and gc could not find it.
            .on_start(move |pid| {
                let start = start_time(pid).unwrap_or_default();
                let effect = Effect::Process { pid, start, what: "kind create cluster".to_owned() };
                *recorded.lock().unwrap_or_else(PoisonError::into_inner) = journal.intend(effect).ok();
            })
            .on_line(move |line| {
                if let Some(note) = parse_progress(line) {
                    progress.note(note);
                }
            });
        let add_hint = |error: TestbedError| {
            if error.hint.is_some() {
                return error;
            }
            let cause = error.cause();
            match find_hint(&cause) {
                Some(what) => error.with_hint(what),
                None => error,
            }
        };
        let made = cmd.run_ok().await.map(drop).map_err(|e| add_hint(e.testbed_error(STAGE)));
        if let Some(id) = entry.lock().unwrap_or_else(PoisonError::into_inner).take() {
            run.done(id)?;
        }
        made
    }
}

/// The text of one of kind's progress lines, without symbols; none for a finished step and for other lines.
fn parse_progress(line: &str) -> Option<String> {
    if line.contains('\u{2713}') {
        return None;
    }
    let text: String = line.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
    let text = text.trim().trim_end_matches('.').trim();
    let wanted = ["Ensuring", "Preparing", "Writing", "Starting", "Installing", "Joining", "Waiting"];
    wanted.iter().any(|word| text.starts_with(word)).then(|| text.to_owned())
}

/// The hint for a known failure.
fn find_hint(cause: &str) -> Option<&'static str> {
    let known = [
        ("port is already allocated", "another program uses the port: stop it, or delete the cluster that uses it"),
        ("no space left on device", "the engine's disk is full: docker system prune"),
        (
            "Could not find a log line that matches",
            "the node did not boot: the usual reasons are too few inotify instances or too little memory; plumbline doctor shows both",
        ),
        (
            "The kubelet is unhealthy",
            "a kubelet does not start without an inotify instance: raise fs.inotify.max_user_instances, or delete other clusters",
        ),
        ("could not find an available", "the engine has no free subnet: docker network prune"),
    ];
    known.iter().find(|(words, _)| cause.contains(words)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_lines_are_parsed_without_symbols() {
        assert_eq!(parse_progress(" \u{2022} Preparing nodes \u{1f4e6}  ...").as_deref(), Some("Preparing nodes"));
        assert_eq!(parse_progress(" \u{2713} Preparing nodes \u{1f4e6}"), None);
        assert_eq!(parse_progress("Have a nice day!"), None);
    }
}
