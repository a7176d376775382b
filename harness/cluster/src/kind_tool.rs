//! The kind command: making clusters. Everything else goes by the engine and by kube.

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

/// The kind binary and the endpoint of the engine it shall use.
#[derive(Debug, Clone)]
pub struct KindTool {
    /// The binary.
    pub path: PathBuf,
    /// The engine's endpoint, as DOCKER_HOST has it.
    pub engine: String,
}

impl KindTool {
    fn cmd(&self) -> Cmd {
        // KUBECONFIG is the user's; every call names our own file, and must not fall back on theirs.
        let cmd = Cmd::new(&self.path).without_env("KUBECONFIG").without_env("DOCKER_CONTEXT");
        cmd.env("DOCKER_HOST", &self.engine).env("KIND_EXPERIMENTAL_DOCKER_NETWORK", NETWORK)
    }

    /// Makes a cluster; its process stands in the journal of `run` meanwhile. On failure kind takes away what it made, since it is not told to retain it.
    ///
    /// # Errors
    /// `TestbedError` with the command line and the last of what kind said.
    pub async fn create(&self, name: &str, home: &Home, run: &Arc<Run>, notes: &Notes) -> Result<(), TestbedError> {
        let (said, journal) = (notes.clone(), run.clone());
        let entry = Arc::new(Mutex::new(None));
        let noted = entry.clone();
        let cmd = self
            .cmd()
            .args(["create", "cluster", "--name", name, "--config"])
            .arg(home.kind_config().display().to_string())
            .arg("--kubeconfig")
            .arg(home.kubeconfig().display().to_string())
            .deadline(CREATE)
            // Without this, kind would go on making the cluster after we were killed, behind gc's back.
            .on_start(move |pid| {
                let start = start_time(pid).unwrap_or_default();
                let effect = Effect::Process { pid, start, what: "kind create cluster".to_owned() };
                *noted.lock().unwrap_or_else(PoisonError::into_inner) = journal.intend(effect).ok();
            })
            .on_line(move |line| {
                if let Some(note) = told(line) {
                    said.note(note);
                }
            });
        let hint = |error: TestbedError| {
            if error.hint.is_some() {
                return error;
            }
            let cause = error.cause();
            match hint(&cause) {
                Some(what) => error.with_hint(what),
                None => error,
            }
        };
        let made = cmd.run_ok().await.map(drop).map_err(|e| hint(e.testbed_error(STAGE)));
        if let Some(id) = entry.lock().unwrap_or_else(PoisonError::into_inner).take() {
            run.done(id)?;
        }
        made
    }
}

/// kind's own progress lines, without their decoration; none for its farewell, nor when it says that one is done.
fn told(line: &str) -> Option<String> {
    if line.contains('\u{2713}') {
        return None;
    }
    let text: String = line.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
    let text = text.trim().trim_end_matches('.').trim();
    let wanted = ["Ensuring", "Preparing", "Writing", "Starting", "Installing", "Joining", "Waiting"];
    wanted.iter().any(|word| text.starts_with(word)).then(|| text.to_owned())
}

/// What to do about the failures that are known.
fn hint(cause: &str) -> Option<&'static str> {
    let known = [
        ("port is already allocated", "another program has the port: stop it, or take the cluster down that has it"),
        ("no space left on device", "the engine's disk is full: docker system prune"),
        (
            "Could not find a log line that matches",
            "the node did not boot: too few inotify instances or too little memory are the usual reasons; plumbline doctor shows both",
        ),
        (
            "The kubelet is unhealthy",
            "a kubelet that gets no inotify instance does not start: raise fs.inotify.max_user_instances, or take other clusters down",
        ),
        ("could not find an available", "the engine has no subnet left: docker network prune"),
    ];
    known.iter().find(|(words, _)| cause.contains(words)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_progress_is_told_without_its_decoration() {
        assert_eq!(told(" \u{2022} Preparing nodes \u{1f4e6}  ...").as_deref(), Some("Preparing nodes"));
        assert_eq!(told(" \u{2713} Preparing nodes \u{1f4e6}"), None);
        assert_eq!(told("Have a nice day!"), None);
    }
}
