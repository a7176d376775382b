//! Reads the output of a child: with a size limit, line by line, and never blocked by a grandchild.

use crate::wait::within;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Called with each line of a child's output, without its line end.
pub type OnLine = std::sync::Arc<dyn Fn(&str) + Send + Sync>;

/// After the child's end: a stream without output for this time counts as ended. By then the pipe contains all output of the
/// child itself.
const SILENCE: Duration = Duration::from_millis(200);
/// After the child's end: the longest time for reading, if a grandchild keeps printing.
const LINGER: Duration = Duration::from_secs(2);
/// The longest line for the callback, in bytes; the rest of it is dropped.
const LINE: usize = 4096;

/// A task that reads while the child runs.
pub(super) struct OutputReader {
    task: JoinHandle<Vec<u8>>,
    ended: oneshot::Sender<()>,
}

impl OutputReader {
    /// Starts to read `source`, keeping at most the last `cap` bytes.
    pub(super) fn start(source: impl AsyncRead + Unpin + Send + 'static, cap: usize, on_line: Option<OnLine>) -> Self {
        let (ended, end) = oneshot::channel();
        Self { task: tokio::spawn(read(source, cap, on_line, end)), ended }
    }

    /// The output, after the child ended. It waits for the end of the stream, but not for a daemon of the child that may keep
    /// the stream open forever.
    /// The text that was read, some time after the process ended; empty without a reader.
    pub(super) async fn finish(reader: Option<Self>) -> String {
        let Some(Self { task, ended }) = reader else { return String::new() };
        let _ = ended.send(());
        String::from_utf8_lossy(&task.await.unwrap_or_default()).into_owned()
    }
}

async fn read(
    mut source: impl AsyncRead + Unpin,
    cap: usize,
    on_line: Option<OnLine>,
    mut end: oneshot::Receiver<()>,
) -> Vec<u8> {
    let (mut kept, mut block, mut line) = (Vec::new(), vec![0; 64 * 1024], Vec::new());
    let mut ended: Option<Instant> = None;
    loop {
        let read = match ended {
            Some(at) if at.elapsed() > LINGER => break,
            // The read has priority, so that no timeout loses output in the pipe, even if this task runs late.
            Some(_) => within(SILENCE, source.read(&mut block)).await.unwrap_or(Ok(0)),
            None => tokio::select! {
                biased;
                read = source.read(&mut block) => read,
                // Also when the sender was dropped: then the rest is not needed.
                _ = &mut end => {
                    ended = Some(Instant::now());
                    continue;
                }
            },
        };
        let Ok(read @ 1..) = read else { break };
        keep_tail(&mut kept, &block[..read], cap);
        if let Some(on_line) = &on_line {
            pass_lines(&mut line, &block[..read], on_line);
        }
    }
    if let Some(on_line) = on_line.filter(|_| !line.is_empty()) {
        on_line(&String::from_utf8_lossy(&line));
    }
    kept.drain(..kept.len().saturating_sub(cap));
    kept
}

/// Keeps the last bytes. It cuts rarely, because moving the rest forward at every block would take quadratic time.
pub(crate) fn keep_tail(kept: &mut Vec<u8>, block: &[u8], cap: usize) {
    kept.extend_from_slice(block);
    // Cut rarely, because moving the rest forward at every block would take quadratic time.
    if kept.len() > 2 * cap {
        kept.drain(..kept.len() - cap);
    }
}

fn pass_lines(line: &mut Vec<u8>, block: &[u8], on_line: &OnLine) {
    for &byte in block {
        if byte == b'\n' || byte == b'\r' {
            if !line.is_empty() {
                on_line(&String::from_utf8_lossy(line));
                line.clear();
            }
        } else if line.len() < LINE {
            line.push(byte);
        }
    }
}
