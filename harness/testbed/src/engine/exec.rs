//! Runs commands inside containers: to their end, or as sessions with open streams.

use super::{Engine, fault};
use crate::error::{AtStage, TestbedError};
use crate::exec::{ProcessEnd, Transcript, keep_tail};
use crate::wait::within;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt as _};

/// The limit of each stored output of a command, in bytes. The last bytes are kept.
const CAP: usize = 4 * 1024 * 1024;

/// Standard input of a session.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;
/// Standard output of a session, readable by lines or blocks.
pub type Output = Pin<Box<dyn AsyncBufRead + Send>>;

type Frames = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// A command in a container with open standard streams, such as the agent on a node. Dropping it closes its input,
/// and a server that reads its standard input then ends.
pub struct ExecSession {
    streams: Option<(Input, Output)>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Engine {
    /// Runs `argv` in a container, with the file `stdin` or a closed input, and waits for its end, `deadline` at most. The
    /// transcript's command line is that of `docker exec`, fit for pasting.
    ///
    /// After the deadline the command keeps running, because the engine's API can't end it. It ends with its container.
    ///
    /// # Errors
    /// [`TestbedError`] when there is no such container or the engine does not answer. A command that fails is no error.
    pub async fn exec(
        &self,
        container: &str,
        argv: &[&str],
        stdin: Option<&Path>,
        deadline: Duration,
    ) -> Result<Transcript, TestbedError> {
        let started = Instant::now();
        let stage = format!("exec in container {container}: {}", argv.join(" "));
        let mut file = match stdin {
            Some(path) => Some(tokio::fs::File::open(path).await.at_stage(&format!("open {}", path.display()))?),
            None => None,
        };
        let (id, mut input, mut frames) = self.attach(container, argv, stdin.is_some(), &stage).await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let work = async {
            let feed = async {
                if let Some(file) = &mut file {
                    // Copied in pieces, because an image is too large for memory.
                    let _ = tokio::io::copy(file, &mut input).await;
                    // This ends the command's input; its output is still read.
                    let _ = input.shutdown().await;
                }
            };
            let read = async {
                while let Some(frame) = frames.try_next().await.map_err(|error| self.fault(&stage, &error))? {
                    match frame {
                        LogOutput::StdErr { message } => keep_tail(&mut stderr, &message, CAP),
                        other => keep_tail(&mut stdout, &other.into_bytes(), CAP),
                    }
                }
                Ok::<(), TestbedError>(())
            };
            let ((), read) = tokio::join!(feed, read);
            read?;
            self.exit_code_of(&id, &stage).await
        };
        let ending = match within(deadline, work).await {
            Some(code) => ProcessEnd::Code(code?),
            None => ProcessEnd::Deadline(deadline),
        };
        let mut line: Vec<String> = vec!["docker".into(), "exec".into()];
        line.extend(stdin.map(|_| "-i".to_owned()));
        line.push(container.to_owned());
        line.extend(argv.iter().map(|argument| (*argument).to_owned()));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Transcript { argv: line, ending, stdout: text(stdout), stderr: text(stderr), duration: started.elapsed() })
    }

    /// As [`Engine::exec`], and requires exit code 0.
    ///
    /// # Errors
    /// [`TestbedError`] at `stage` with the command line, the exit code and the tail of what it printed.
    pub async fn exec_ok(
        &self,
        stage: &str,
        container: &str,
        argv: &[&str],
        stdin: Option<&Path>,
        deadline: Duration,
    ) -> Result<Transcript, TestbedError> {
        self.exec(container, argv, stdin, deadline).await?.success().map_err(|error| error.testbed_error(stage))
    }

    /// Starts `argv` in a container and keeps its standard streams open, as `docker exec -i` does.
    ///
    /// # Errors
    /// [`TestbedError`] when there is no such container or the engine does not answer.
    pub async fn session(&self, container: &str, argv: &[&str]) -> Result<ExecSession, TestbedError> {
        let stage = format!("session in container {container}: {}", argv.join(" "));
        let (_, input, frames) = self.attach(container, argv, true, &stage).await?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let aside = said.clone();
        let stdout = frames.try_filter_map(move |frame| {
            let bytes = match frame {
                LogOutput::StdErr { message } => {
                    keep_tail(&mut aside.lock().unwrap_or_else(PoisonError::into_inner), &message, CAP);
                    None
                }
                other => Some(other.into_bytes()),
            };
            futures::future::ready(Ok(bytes))
        });
        let reader = tokio_util::io::StreamReader::new(stdout.map_err(std::io::Error::other).boxed());
        let streams: (Input, Output) = (Box::pin(Closing(Some(input))), Box::pin(reader));
        Ok(ExecSession { streams: Some(streams), said })
    }

    async fn attach(
        &self,
        container: &str,
        argv: &[&str],
        input: bool,
        stage: &str,
    ) -> Result<(String, Input, Frames), TestbedError> {
        let options = CreateExecOptions {
            attach_stdin: Some(input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.to_vec()),
            ..CreateExecOptions::default()
        };
        let made = self.docker.create_exec(container, options).await.map_err(|error| {
            if fault::is_missing(&error) {
                TestbedError::new(stage, "there is no such container")
            } else {
                self.fault(stage, &error)
            }
        })?;
        match self.docker.start_exec(&made.id, None).await.map_err(|error| self.fault(stage, &error))? {
            StartExecResults::Attached { output, input } => Ok((made.id, input, output)),
            StartExecResults::Detached => Err(TestbedError::new(stage, "the engine did not attach its streams")),
        }
    }

    async fn exit_code_of(&self, id: &str, stage: &str) -> Result<i32, TestbedError> {
        let found = self.docker.inspect_exec(id).await.map_err(|error| self.fault(stage, &error))?;
        let code = found.exit_code.and_then(|code| i32::try_from(code).ok());
        code.ok_or_else(|| TestbedError::new(stage, "its streams ended, but the engine has no exit code"))
    }
}

impl ExecSession {
    /// Its standard input and output; only the first call gets them.
    pub fn streams(&mut self) -> Option<(Input, Output)> {
        self.streams.take()
    }

    /// The last part of its standard error so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// An input that is closed when it is dropped. Dropping the connection's own write half does not close it, because the
/// read half keeps the connection open, and the command would wait forever.
struct Closing(Option<Input>);

impl Closing {
    fn inner(&mut self) -> std::io::Result<Pin<&mut (dyn AsyncWrite + Send + 'static)>> {
        self.0.as_mut().map(Pin::as_mut).ok_or_else(|| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for Closing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.inner()?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.inner()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.inner()?.poll_shutdown(cx)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let (Some(mut input), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { input.shutdown().await });
        }
    }
}
