//! plumbline's stand-in for Terway's daemon, not upstream's.
//!
//! Terway's CNI plugin requests an address from its daemon over gRPC, on a socket whose path is compiled in. The daemon gets it
//! from Alibaba Cloud. Without a cloud, this program answers instead of the daemon. It reads the same file as the stand-in for the
//! plugin (`images/plugins/terway`), so that the **real plugin** can run and be compared with the stand-in.
//!
//! | module | content |
//! |---|---|
//! | [`backend`] | the four calls |
//! | [`allocations`] | the addresses of each sandbox |
//! | [`authority`] | replaces the host name that Go's client sends |

mod allocations;
mod authority;
mod backend;

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use allocations::Allocations;
use backend::Backend;
use backend::rpc::terway_backend_server::TerwayBackendServer;
use plumbline_terway_plugin::settings;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;

/// Where Terway's plugin looks for its daemon (`plugin/terway/cni.go`, `defaultSocketPath`).
const SOCKET: &str = "/var/run/eni/eni.socket";

/// The version text.
const ABOUT: &str = concat!("plumbline's stand-in for Terway's daemon, not upstream's, ", env!("CARGO_PKG_VERSION"));

const USAGE: &str = "usage: plumbline-terway-backend [--settings FILE] [--socket PATH] | --version";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a daemon's log")]
fn log(line: &str) {
    eprintln!("plumbline-terway-backend: {line}");
}

#[expect(clippy::print_stdout, reason = "the purpose of --version")]
fn print_version() {
    println!("{ABOUT}");
}

/// The command line.
struct Arguments {
    settings: PathBuf,
    socket: PathBuf,
}

impl Arguments {
    fn read(line: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut read = Self { settings: settings::FILE.into(), socket: SOCKET.into() };
        let mut line = line;
        while let Some(word) = line.next() {
            let mut value = || line.next().map(PathBuf::from).ok_or_else(|| format!("{word} needs a value; {USAGE}"));
            match word.as_str() {
                "--settings" => read.settings = value()?,
                "--socket" => read.socket = value()?,
                "--version" | "-V" => return Ok(None),
                _ => return Err(format!("{word} is unknown; {USAGE}")),
            }
        }
        Ok(Some(read))
    }
}

fn run() -> Result<(), String> {
    let Some(arguments) = Arguments::read(std::env::args().skip(1))? else {
        print_version();
        return Ok(());
    };
    let allocations = Allocations::open(&arguments.settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(serve(&arguments.socket, allocations))
}

async fn serve(socket: &Path, allocations: Allocations) -> Result<(), String> {
    let with_path = |error: &dyn std::fmt::Display| format!("{}: {error}", socket.display());
    remove_old_socket(socket).map_err(|error| with_path(&error))?;
    let listener = UnixListener::bind(socket).map_err(|error| with_path(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    log(&format!("{ABOUT}, on {}", socket.display()));
    let connections = UnixListenerStream::new(listener).map(|socket| socket.map(authority::with_valid_host));
    tonic::transport::Server::builder()
        .add_service(TerwayBackendServer::new(Backend::new(allocations)))
        .serve_with_incoming_shutdown(connections, async {
            terminate.recv().await;
        })
        .await
        .map_err(|error| error.to_string())?;
    std::fs::remove_file(socket).map_err(|error| with_path(&error))
}

/// Removes the socket of an earlier process.
fn remove_old_socket(socket: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(socket) {
        Ok(about) if about.file_type().is_socket() => std::fs::remove_file(socket),
        _ => Ok(()),
    }
}
