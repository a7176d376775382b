//! Testbeds that are refused because the host lacks something. Each ends with one message (the failed step and a fix),
//! with exit code 3, and without leaks. No test here needs or changes an engine.

use plumbline_suites::command::{plumbline, program};
use plumbline_testbed::exec::{Cmd, ProcessEnd, Transcript};
use rstest::rstest;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

const SEED: &str = "suites/scenarios/openshift/chain-example.yaml";

/// What is at the path of the socket.
#[derive(Debug, Clone, Copy)]
enum SocketContent {
    Nothing,
    File,
    DeadSocket,
    OtherServer,
}

impl SocketContent {
    /// Creates it. The other server accepts each connection and closes it.
    fn create(self, at: &Path) -> anyhow::Result<()> {
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

/// Both output streams: the report on standard output has the error of a lane that can't be opened.
fn output(of: &Transcript) -> String {
    format!("{}{}", of.stdout, of.stderr)
}

/// One message with a fix, and the exit code for an error of the testbed.
fn assert_error(of: &Transcript, words: &str) {
    let output = output(of);
    assert_eq!(of.ending, ProcessEnd::Code(3), "{output}");
    assert!(output.contains(words), "wanted {words:?} in: {output}");
    assert!(output.contains("fix: "), "no fix is named: {output}");
    assert_eq!(output.matches("fix: ").count(), 1, "one message, shown once: {output}");
}

/// Checks that this state folder has no cluster and no engine, and that the journal is closed.
async fn check_no_leaks(state: &Path) -> anyhow::Result<()> {
    for folder in ["clusters", "engine"] {
        let made = std::fs::read_dir(state.join(folder)).into_iter().flatten().count();
        anyhow::ensure!(made == 0, "{folder} holds {made} things");
    }
    let gc =
        without_user_environment(plumbline(&["gc"])?, state).env("DOCKER_HOST", "unix:///no/such/socket").run().await?;
    anyhow::ensure!(gc.stdout.contains("nothing was left behind"), "{}", gc.stdout);
    Ok(())
}

/// Removes variables of the user's environment, above all the consent to installing.
fn without_user_environment(mut command: Cmd, state: &Path) -> Cmd {
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
    there.create(&socket)?;
    let command = without_user_environment(plumbline(&["run", SEED, "--lane", "kind"])?, state.path());
    let done = command.env("DOCKER_HOST", format!("unix://{}", socket.display())).run().await?;
    assert_error(&done, words);
    assert!(output(&done).contains("DOCKER_HOST"), "the source of the address is named: {}", output(&done));
    check_no_leaks(state.path()).await
}

/// The default socket, in a mount namespace of the test, whose `/run` is a folder of the test.
#[rstest]
#[case::nothing(SocketContent::Nothing, "no container engine answers at")]
#[case::a_dead_socket(SocketContent::DeadSocket, "no container engine answers at")]
#[case::another_server(
    SocketContent::OtherServer,
    "a program that is no container engine listens at unix:///var/run/docker.sock"
)]
#[tokio::test]
async fn the_default_socket_without_an_engine_is_an_error(
    #[case] there: SocketContent,
    #[case] words: &str,
) -> anyhow::Result<()> {
    let (run, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let socket = run.path().join("docker.sock");
    there.create(&socket)?;
    let within = "mount --rbind \"$1\" /run; shift; exec \"$@\"";
    let program = program()?.display().to_string();
    let command = Cmd::new("unshare").args(["--map-root-user", "--mount", "sh", "-ec", within, "sh"]);
    let command = command.arg(run.path().display().to_string()).args([&program, "run", SEED, "--lane", "kind"]);
    let command = command.dir(plumbline::root::find()?).without_env("PLUMBLINE_PROFILE");
    let done = without_user_environment(command, state.path()).deadline(Duration::from_secs(60)).run().await?;
    assert_error(&done, words);
    if matches!(there, SocketContent::OtherServer) {
        UnixStream::connect(&socket).map_err(|error| anyhow::anyhow!("the other server is gone: {error}"))?;
    }
    check_no_leaks(state.path()).await
}

#[tokio::test]
async fn an_unwritable_state_folder_is_an_error() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("file");
    std::fs::write(&file, "")?;
    let done = without_user_environment(plumbline(&["run", SEED])?, &file.join("state")).run().await?;
    let output = output(&done);
    assert_eq!(done.ending, ProcessEnd::Code(3), "{output}");
    assert!(output.contains("state"), "the folder is named: {output}");
    Ok(())
}

#[tokio::test]
async fn an_unwritable_cache_folder_is_an_error() -> anyhow::Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = dir.path().join("file");
    std::fs::write(&file, "")?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400))?;
    let command = without_user_environment(plumbline(&["run", SEED])?, state.path());
    let done = command.env("PLUMBLINE_CACHE", file.join("cache").display().to_string()).run().await?;
    assert_eq!(done.ending, ProcessEnd::Code(3), "{}", output(&done));
    assert!(output(&done).contains("cache"), "the folder is named: {}", output(&done));
    check_no_leaks(state.path()).await
}
