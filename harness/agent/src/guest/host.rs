//! Serving the channels until nobody has used one for some time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use plumbline_core::guest::CHANNEL;

use super::boot::appeared;
use super::channel::{Channel, Moved};
use super::settings::Settings;
use super::tell;

/// Where the kernel lists ports by name.
const PORTS: &str = "/sys/class/virtio-ports";

/// Serves.
///
/// # Errors
/// What can't be gone on from.
pub fn serve(settings: &Settings) -> Result<(), String> {
    let paths = appeared("every channel", || Some(ports()).filter(|ports| ports.len() >= settings.channels))?;
    let channels: Result<Vec<Channel>, String> = paths
        .iter()
        .map(|path| Channel::open(path).map_err(|error| format!("open {}: {error}", path.display())))
        .collect();
    let mut host = Host { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(text)?, channels: channels? };
    for number in 0..host.channels.len() {
        let event = event(number);
        host.epoll.add(host.channels[number].descriptor(), event).map_err(text)?;
    }
    host.run(settings)
}

fn text(errno: Errno) -> String {
    format!("watch the channels: {errno}")
}

/// Told once of each change, since a port without a host at its other end would have something to tell all the time
/// (`EPOLLHUP` is never left out).
fn event(number: usize) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET, number as u64)
}

/// The ports of ours that have appeared, in the order of their numbers.
fn ports() -> Vec<PathBuf> {
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

struct Host {
    epoll: Epoll,
    channels: Vec<Channel>,
}

impl Host {
    fn run(&mut self, settings: &Settings) -> Result<(), String> {
        let mut quiet = Instant::now();
        let mut events = [EpollEvent::empty(); 16];
        loop {
            let timeout = if self.busy() {
                quiet = Instant::now();
                EpollTimeout::NONE
            } else {
                let left = settings.idle.saturating_sub(quiet.elapsed());
                if left.is_zero() {
                    tell(&format!("nobody has used this machine for {} s", settings.idle.as_secs()));
                    return Ok(());
                }
                EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
            };
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(text(errno)),
            };
            for event in &events[..count] {
                self.pump(usize::try_from(event.data()).unwrap_or_default())?;
            }
            self.reap(None);
        }
    }

    fn busy(&self) -> bool {
        self.channels.iter().any(|channel| channel.session.is_some())
    }

    fn pump(&mut self, number: usize) -> Result<(), String> {
        loop {
            match self.channels[number].pump() {
                Moved::Still => return Ok(()),
                Moved::Started => self.watch(number)?,
                Moved::Closed => self.end(number),
            }
        }
    }

    fn watch(&self, number: usize) -> Result<(), String> {
        let Some(session) = &self.channels[number].session else { return Ok(()) };
        session
            .descriptors()
            .into_iter()
            .try_for_each(|descriptor| self.epoll.add(descriptor, event(number)).map_err(text))
    }

    fn end(&mut self, number: usize) {
        // It closes its output only by ending, so this takes no time.
        self.reap(Some(number));
        let channel = &mut self.channels[number];
        if let Some(session) = channel.session.take() {
            channel.ended(&session);
        }
    }

    /// PID 1's duty: waits for whoever has ended; with a channel, until its session has.
    fn reap(&mut self, until: Option<usize>) {
        loop {
            let awaited = until.and_then(|number| self.channels[number].session.as_ref());
            let flags = match awaited {
                Some(session) if session.ended.is_none() => None,
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
                session.ended = Some(code);
            }
        }
    }
}
