//! Serving all channels, until no session ran for some time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use plumbline_core::guest::CHANNEL;

use super::boot::{Settings, wait_for};
use super::channel::{Channel, PumpState};
use super::error::{GuestError, print_on_console};

/// The folder of virtio-serial ports.
const PORTS: &str = "/sys/class/virtio-ports";

/// Serves all channels.
///
/// # Errors
/// A channel that cannot be opened or watched.
pub fn serve_channels(settings: &Settings) -> Result<(), GuestError> {
    let paths = wait_for("every channel", || Some(list_ports()).filter(|ports| ports.len() >= settings.channels))?;
    let channels: Result<Vec<Channel>, GuestError> = paths
        .iter()
        .map(|path| Channel::open(path).map_err(|error| GuestError::new(format!("open {}", path.display()), error)))
        .collect();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(watch_error)?;
    let mut server = Server { epoll, channels: channels? };
    for (number, channel) in server.channels.iter().enumerate() {
        server.epoll.add(channel.descriptor(), edge_event(number)).map_err(watch_error)?;
    }
    server.run(settings)
}

fn watch_error(errno: Errno) -> GuestError {
    GuestError::new("watch the channels", errno)
}

/// Edge-triggered: a port without a host at its other end is always ready (`EPOLLHUP` cannot be masked).
fn edge_event(number: usize) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET, number as u64)
}

/// Our ports that have appeared, in the order of their numbers.
fn list_ports() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(PORTS)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = fs::read_to_string(entry.path().join("name")).ok()?;
            let number = name.trim().strip_prefix(CHANNEL)?.parse().ok()?;
            let device = Path::new("/dev").join(entry.file_name());
            device.exists().then_some((number, device))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

struct Server {
    epoll: Epoll,
    channels: Vec<Channel>,
}

impl Server {
    fn run(&mut self, settings: &Settings) -> Result<(), GuestError> {
        let mut last_session = Instant::now();
        let mut events = [EpollEvent::empty(); 16];
        loop {
            let timeout = if self.has_session() {
                last_session = Instant::now();
                EpollTimeout::NONE
            } else {
                let left = settings.idle.saturating_sub(last_session.elapsed());
                if left.is_zero() {
                    print_on_console(&format!("no session for {} s", settings.idle.as_secs()));
                    return Ok(());
                }
                EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
            };
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(watch_error(errno)),
            };
            for event in &events[..count] {
                self.pump(usize::try_from(event.data()).unwrap_or_default())?;
            }
            self.reap(None);
        }
    }

    fn has_session(&self) -> bool {
        self.channels.iter().any(|channel| channel.session.is_some())
    }

    fn pump(&mut self, number: usize) -> Result<(), GuestError> {
        loop {
            match self.channels[number].pump() {
                PumpState::Idle => return Ok(()),
                PumpState::SessionStarted => self.watch_session(number)?,
                PumpState::SessionClosed => self.end_session(number),
            }
        }
    }

    fn watch_session(&self, number: usize) -> Result<(), GuestError> {
        let Some(session) = &self.channels[number].session else { return Ok(()) };
        session
            .descriptors()
            .into_iter()
            .try_for_each(|descriptor| self.epoll.add(descriptor, edge_event(number)).map_err(watch_error))
    }

    fn end_session(&mut self, number: usize) {
        // The agent closes its output only at its end, so this takes no time.
        self.reap(Some(number));
        let channel = &mut self.channels[number];
        if let Some(session) = channel.session.take() {
            channel.report_end(&session);
        }
    }

    /// Waits for ended processes, as PID 1 must; with a channel, until its session has ended.
    fn reap(&mut self, until: Option<usize>) {
        loop {
            let awaited = until.and_then(|number| self.channels[number].session.as_ref());
            let flags = match awaited {
                Some(session) if !session.ended => None,
                _ => Some(WaitPidFlag::WNOHANG),
            };
            let (pid, code) = match waitpid(Pid::from_raw(-1), flags) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Some(code)),
                Ok(WaitStatus::Signaled(pid, ..)) => (pid, None),
                Err(Errno::EINTR) => continue,
                _ => return,
            };
            let mut sessions = self.channels.iter_mut().filter_map(|channel| channel.session.as_mut());
            if let Some(session) = sessions.find(|session| session.pid() == pid) {
                (session.ended, session.exit_code) = (true, code);
            }
        }
    }
}
