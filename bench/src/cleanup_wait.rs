//! Waiting between turns until the kernel has removed the namespaces of the previous turn.

use crate::shell::isolation_argv;
use anyhow::Context as _;
use plumbline_testbed::exec::Session;
use plumbline_testbed::wait;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};

/// The script's path in the checkout.
const SCRIPT: &str = "bench/wait_for_cleanup.sh";

/// The kernel takes some 50 ms for a namespace, and longer on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// The running script.
pub struct CleanupWait {
    session: Session,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl CleanupWait {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(root: &Path) -> anyhow::Result<Self> {
        let mut argv = isolation_argv();
        argv.push(root.join(SCRIPT).display().to_string());
        let mut session = Session::start(&argv, &[])?;
        let (input, output) = session.streams().context("the waiting script has no streams")?;
        Ok(Self { session, input, output: BufReader::new(output).lines() })
    }

    /// Waits until nothing of the previous turn remains.
    ///
    /// # Errors
    /// When the script ends or does not answer.
    pub async fn wait(&mut self) -> anyhow::Result<()> {
        self.input.write_all(b"wait\n").await.context("write to the waiting script")?;
        let deadline = wait::Deadline::after(DEADLINE);
        let answer = wait::by("wait for cleanup", "namespaces to be gone", deadline, self.output.next_line(), || {
            "nothing".into()
        });
        let answer = answer.await?.context("read from the waiting script")?;
        anyhow::ensure!(answer.is_some(), "the waiting script has ended; fix: run {SCRIPT} by hand and read its error");
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// With its standard error, when it failed.
    pub async fn end(self) -> anyhow::Result<()> {
        let Self { session, input, output } = self;
        drop((input, output));
        let (code, stderr) = session.end(DEADLINE).await;
        anyhow::ensure!(code.is_some(), "the waiting script did not end: {stderr}");
        Ok(())
    }
}
