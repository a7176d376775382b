//! plumbline's stand-in for Terway's daemon, not upstream's.
//!
//! Terway's CNI plugin asks its daemon for an address over gRPC on a socket whose path is compiled in. The daemon takes it
//! from Alibaba Cloud. Where there is no cloud, this program answers in its place, from the same file that the stand-in for
//! the plugin reads (`images/plugins/terway`), so that the **real plugin** can be run and compared with the stand-in.
//!
//! | module | what is in it |
//! |---|---|
//! | [`backend`] | the four calls |
//! | [`authority`] | puts right how Go's client names the host |
//! | [`book`] | who has which address |

mod authority;
mod backend;
mod book;

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use backend::Backend;
use backend::rpc::terway_backend_server::TerwayBackendServer;
use book::Book;
use plumbline_terway_plugin::settings;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;

/// Where Terway's plugin looks for its daemon (`plugin/terway/cni.go`, `defaultSocketPath`).
const SOCKET: &str = "/var/run/eni/eni.socket";

/// Who this is.
const ABOUT: &str = concat!("plumbline's stand-in for Terway's daemon, not upstream's, ", env!("CARGO_PKG_VERSION"));

const USAGE: &str = "usage: plumbline-terway-backend [--settings FILE] [--socket PATH] | --version";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a daemon's log")]
fn say(line: &str) {
    eprintln!("plumbline-terway-backend: {line}");
}

#[expect(clippy::print_stdout, reason = "what --version is for")]
fn about() {
    println!("{ABOUT}");
}

/// What the command line says.
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
                _ => return Err(format!("{word} is not known; {USAGE}")),
            }
        }
        Ok(Some(read))
    }
}

fn run() -> Result<(), String> {
    let Some(arguments) = Arguments::read(std::env::args().skip(1))? else {
        about();
        return Ok(());
    };
    let book = Book::open(&arguments.settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(serve(&arguments.socket, book))
}

async fn serve(socket: &Path, book: Book) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", socket.display());
    stale(socket).map_err(|error| told(&error))?;
    let listener = UnixListener::bind(socket).map_err(|error| told(&error))?;
    let mut asked_to_end = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    say(&format!("{ABOUT}, on {}", socket.display()));
    let connections = UnixListenerStream::new(listener).map(|socket| socket.map(authority::put_right));
    tonic::transport::Server::builder()
        .add_service(TerwayBackendServer::new(Backend::new(book)))
        .serve_with_incoming_shutdown(connections, async {
            asked_to_end.recv().await;
        })
        .await
        .map_err(|error| error.to_string())?;
    std::fs::remove_file(socket).map_err(|error| told(&error))
}

/// Removes a socket that an earlier one has left.
fn stale(socket: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(socket) {
        Ok(about) if about.file_type().is_socket() => std::fs::remove_file(socket),
        _ => Ok(()),
    }
}
