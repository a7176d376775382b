//! Testbeds that are refused: what a host can lack or have in the way. Each ends with one message that says what was tried and what to
//! do, with exit code 3, and leaves nothing. None of these needs an engine, and none touches one.

use plumbline_suites::command::{plumbline, program};
use plumbline_testbed::exec::{Cmd, ProcessEnd, Transcript};
use rstest::rstest;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

const SEED: &str = "suites/scenarios/openshift/chain-example.yaml";

/// What stands at a socket's place.
#[derive(Debug, Clone, Copy)]
enum SocketContent {
    Nothing,
    File,
    DeadSocket,
    OtherServer,
}

impl SocketContent {
    /// Puts it there. The other server accepts each connection and closes it.
    fn put(self, at: &Path) -> anyhow::Result<()> {
        match self {
            SocketContent::Nothing => {}
            SocketContent::File => std::fs::write(at, "not a socket")?,
            SocketContent::DeadSocket => drop(UnixListener::bind(at)?),
            SocketContent::OtherServer => {
                let listener = UnixListener::bind(at)?;
                std::thread::spawn(move || listener.incoming().for_each(drop));
            }
        }
        Ok(())
    }
}

/// What was said, on either stream: a lane that can't be opened is in the report, which is standard output's.
fn said(of: &Transcript) -> String {
    format!("{}{}", of.stdout, of.stderr)
}

/// One message with a fix, and the exit code for an error of the testbed.
fn is_error(of: &Transcript, words: &str) {
    let said = said(of);
    assert_eq!(of.ending, ProcessEnd::Code(3), "{said}");
    assert!(said.contains(words), "wanted {words:?} in: {said}");
    assert!(said.contains("fix: "), "no way out is named: {said}");
    assert_eq!(said.matches("fix: ").count(), 1, "one message, shown once: {said}");
}

/// Nothing of a cluster or an engine was begun in this state folder, and the journal is closed.
async fn left_nothing(state: &Path) -> anyhow::Result<()> {
    for folder in ["clusters", "engine"] {
        let made = std::fs::read_dir(state.join(folder)).into_iter().flatten().count();
        anyhow::ensure!(made == 0, "{folder} holds {made} things");
    }
    let gc = bare(plumbline(&["gc"])?, state).env("DOCKER_HOST", "unix:///no/such/socket").run().await?;
    anyhow::ensure!(gc.stdout.contains("nothing was left behind"), "{}", gc.stdout);
    Ok(())
}

/// Without what a user's environment could bring, a yes to installing above all.
fn bare(mut command: Cmd, state: &Path) -> Cmd {
    for name in ["CI", "PLUMBLINE_YES", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"] {
        command = command.without_env(name);
    }
    command.env("PLUMBLINE_STATE", state.display().to_string())
}

#[rstest]
#[case::nothing(SocketContent::Nothing, "no container engine answers at unix://")]
#[case::a_file(SocketContent::File, "no container engine answers at unix://")]
#[case::a_dead_socket(SocketContent::DeadSocket, "no container engine answers at unix://")]
#[case::another_server(SocketContent::OtherServer, "no container engine answers at unix://")]
#[tokio::test]
async fn an_engine_address_without_an_engine_is_an_error(
    #[case] there: SocketContent,
    #[case] words: &str,
) -> anyhow::Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let socket = dir.path().join("docker.sock");
    there.put(&socket)?;
    let command = bare(plumbline(&["run", SEED, "--lane", "kind"])?, state.path());
    let done = command.env("DOCKER_HOST", format!("unix://{}", socket.display())).run().await?;
    is_error(&done, words);
    assert!(said(&done).contains("DOCKER_HOST"), "who named the place is said: {}", said(&done));
    left_nothing(state.path()).await
}

/// The usual place itself, in a mount namespace of the test's own, whose `/run` is a folder of the test's.
#[rstest]
#[case::nothing(SocketContent::Nothing, "no container engine answers at")]
#[case::a_dead_socket(SocketContent::DeadSocket, "no container engine answers at")]
#[case::another_server(
    SocketContent::OtherServer,
    "something listens at unix:///var/run/docker.sock that is no container engine"
)]
#[tokio::test]
async fn the_default_socket_without_an_engine_is_an_error(
    #[case] there: SocketContent,
    #[case] words: &str,
) -> anyhow::Result<()> {
    let (run, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let socket = run.path().join("docker.sock");
    there.put(&socket)?;
    let within = "mount --rbind \"$1\" /run; shift; exec \"$@\"";
    let program = program()?.display().to_string();
    let command = Cmd::new("unshare").args(["--map-root-user", "--mount", "sh", "-ec", within, "sh"]);
    let command = command.arg(run.path().display().to_string()).args([&program, "run", SEED, "--lane", "kind"]);
    let command = command.dir(plumbline::root::find()?).without_env("PLUMBLINE_PROFILE");
    let done = bare(command, state.path()).deadline(Duration::from_secs(60)).run().await?;
    is_error(&done, words);
    if matches!(there, SocketContent::OtherServer) {
        UnixStream::connect(&socket).map_err(|error| anyhow::anyhow!("the other server is gone: {error}"))?;
    }
    left_nothing(state.path()).await
}

#[tokio::test]
async fn an_unwritable_state_folder_is_an_error() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("file");
    std::fs::write(&file, "")?;
    let done = bare(plumbline(&["run", SEED])?, &file.join("state")).run().await?;
    let said = said(&done);
    assert_eq!(done.ending, ProcessEnd::Code(3), "{said}");
    assert!(said.contains("state"), "the folder is named: {said}");
    Ok(())
}

#[tokio::test]
async fn an_unwritable_cache_folder_is_an_error() -> anyhow::Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = dir.path().join("file");
    std::fs::write(&file, "")?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400))?;
    let command = bare(plumbline(&["run", SEED])?, state.path());
    let done = command.env("PLUMBLINE_CACHE", file.join("cache").display().to_string()).run().await?;
    assert_eq!(done.ending, ProcessEnd::Code(3), "{}", said(&done));
    assert!(said(&done).contains("cache"), "the folder is named: {}", said(&done));
    left_nothing(state.path()).await
}
