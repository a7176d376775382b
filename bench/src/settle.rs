//! Waiting between turns until the kernel is through with the turn before.

use crate::shell::isolated;
use anyhow::Context as _;
use plumbline_testbed::exec::Session;
use plumbline_testbed::wait;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};

/// Where the script is, below the root of the checkout. It says what it waits for.
const SCRIPT: &str = "bench/settle.sh";

/// The kernel takes some 50 ms for a namespace; this is for a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(30);

/// The script, running.
pub struct Settle {
    session: Session,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Settle {
    /// Starts it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(root: &Path) -> anyhow::Result<Self> {
        let mut argv = isolated();
        argv.push(root.join(SCRIPT).display().to_string());
        let mut session = Session::start(&argv, &[])?;
        let (input, output) = session.streams().context("the settling script has no streams")?;
        Ok(Self { session, input, output: BufReader::new(output).lines() })
    }

    /// Waits until nothing is left of the turn before.
    ///
    /// # Errors
    /// When the script ends or does not answer.
    pub async fn wait(&mut self) -> anyhow::Result<()> {
        self.input.write_all(b"settle\n").await.context("ask the settling script")?;
        let deadline = wait::Deadline::after(DEADLINE);
        let answer =
            wait::by("settle", "namespaces to be gone", deadline, self.output.next_line(), || "nothing".into());
        let answer = answer.await?.context("read from the settling script")?;
        anyhow::ensure!(answer.is_some(), "the settling script has ended; run {SCRIPT} by hand to see why");
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// With what it said, when it did not end well.
    pub async fn end(self) -> anyhow::Result<()> {
        let Self { session, input, output } = self;
        drop((input, output));
        let (code, said) = session.end(DEADLINE).await;
        anyhow::ensure!(code.is_some(), "the settling script did not end: {said}");
        Ok(())
    }
}
