//! Reading what a child prints: capped, passed on line by line, never held up by a grandchild.

use crate::wait::within;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Called with each line of a child's output, without its line end.
pub type OnLine = std::sync::Arc<dyn Fn(&str) + Send + Sync>;

/// After the child's end: how long a stream may be silent before it counts as ended. What the child itself printed is
/// in the pipe by then.
const SILENCE: Duration = Duration::from_millis(200);
/// After the child's end: how long it is read from at all, when a grandchild goes on printing.
const LINGER: Duration = Duration::from_secs(2);
/// The longest line that is passed on, in bytes; the rest of it is dropped.
const LINE: usize = 4096;

/// A reader that runs beside the child.
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

    /// What was read, after the child ended: waits for the end of the stream, but not for a daemon that the child
    /// left behind and that may hold the stream open for ever.
    pub(super) async fn finish(self) -> String {
        let _ = self.ended.send(());
        String::from_utf8_lossy(&self.task.await.unwrap_or_default()).into_owned()
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
            // The read comes first: no timeout loses what is in the pipe, however late this task runs.
            Some(_) => within(SILENCE, source.read(&mut block)).await.unwrap_or(Ok(0)),
            None => tokio::select! {
                biased;
                read = source.read(&mut block) => read,
                // Dropped without a message: the rest is not wanted.
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

/// Cut seldom: moving the rest forward at every block would cost the square of what is kept.
fn keep_tail(kept: &mut Vec<u8>, block: &[u8], cap: usize) {
    kept.extend_from_slice(block);
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
