//! Root file systems out of Debian packages, by mmdebstrap.
//!
//! mmdebstrap resolves packages as apt does (security updates included), and writes a tar that is a layer as it is.
//! Where the host does not have it, its package is fetched and unpacked for the time of the build: it is two scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::pins::{Arch, DebianPin};
use super::recipe::Debian;
use super::record::Package;
use crate::exec::Cmd;

/// The longest that a root file system may take.
const BUILD: Duration = Duration::from_secs(15 * 60);
/// The name of the layer in the cache entry.
pub(super) const LAYER: &str = "layer.tar";

/// How a root file system is to be built.
pub(super) struct Job<'a> {
    /// The step.
    pub step: &'a Debian,
    /// Its pin.
    pub pin: &'a DebianPin,
    /// For which architecture.
    pub arch: Arch,
}

impl Job<'_> {
    /// Builds the layer into `folder` and gives the packages that are in it.
    pub(super) async fn build(
        &self,
        folder: &Path,
        on_line: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Vec<Package>> {
        for path in self.step.remove.iter().chain(&self.step.exclude) {
            check_pattern(path)?;
        }
        let root = nix::unistd::geteuid().is_root();
        let mut scratch = tempfile::Builder::new();
        // In the cache's own folder, so that nothing is left in /tmp when a build is killed. The subordinate users that
        // mmdebstrap becomes for an ordinary user may not look into that user's folders.
        let scratch = if root {
            scratch.prefix("debian-").tempdir_in(folder)
        } else {
            scratch.prefix("plumbline-debian-").tempdir()
        };
        let scratch = scratch.context("failed to make a folder for a build")?;
        let tools = Tools::find(scratch.path()).await?;
        let (installed, available) = (scratch.path().join("installed"), scratch.path().join("available"));
        let packages: Vec<String> =
            self.step.packages.iter().map(|name| name.replace("ARCH", self.arch.name())).collect();
        let remove: String = self.step.remove.iter().map(|path| format!(" .{path}")).collect();
        let mut command = if root { tied(&tools.mmdebstrap) } else { Cmd::new(&tools.mmdebstrap) };
        command = command
            .args(["--mode=auto", "--variant=minbase", "--components=main"])
            .arg(format!("--architectures={}", self.arch.name()))
            .arg(format!("--include={}", packages.join(",")))
            .arg("--aptopt=Acquire::Retries \"3\"")
            .arg(format!("--customize-hook=chroot \"$1\" dpkg-query -W -f '${{Package}} ${{Architecture}} ${{Version}}\\n' > '{}'", installed.display()))
            .arg(format!("--customize-hook=APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" apt-cache dumpavail > '{}'", available.display()))
            .arg(format!("--customize-hook=cd \"$1\" && rm -rf -- ./var/log/*.log{remove}"));
        for path in &self.step.exclude {
            command = command.arg(format!("--dpkgopt=path-exclude={path}"));
        }
        command = command.args([self.pin.suite.clone(), folder.join(LAYER).display().to_string()]);
        command = command.args(sources(Path::new("/etc/apt"), &self.pin.suite));
        if root {
            command = command.env("TMPDIR", scratch.path().display().to_string());
        }
        if let Some(path) = tools.path {
            command = command.env("PATH", path);
        }
        // A fixed time makes equal packages give an equal layer.
        command = command.env("SOURCE_DATE_EPOCH", "1700000000").deadline(BUILD).on_line(on_line);
        command.run_ok().await.context(format!(
            "failed to make a root file system of Debian {}; it wants root, or an ordinary user with user namespaces and /etc/subuid",
            self.pin.suite
        ))?;
        resolved(&read(&installed)?, &read(&available)?)
    }
}

/// The program in mount and PID namespaces of its own, which end with this process. As root mmdebstrap mounts /proc, /sys
/// and /dev below its folder in the namespace that it finds; a build that is killed must not leave them on the host,
/// where whoever cleans up would walk into them.
fn tied(program: &Path) -> Cmd {
    Cmd::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(program.display().to_string())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// The pattern ends up in a shell line, where it may expand but nothing else.
fn check_pattern(path: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "/._-*?+@".contains(c);
    if !path.starts_with('/') || path.contains("..") || !path.chars().all(fine) {
        bail!("`{path}` is no absolute path or pattern");
    }
    Ok(())
}

/// mmdebstrap, and the PATH that it needs where it is not installed.
struct Tools {
    mmdebstrap: PathBuf,
    path: Option<String>,
}

impl Tools {
    async fn find(scratch: &Path) -> Result<Self> {
        if let Ok(mmdebstrap) = which::which("mmdebstrap") {
            return Ok(Self { mmdebstrap, path: None });
        }
        let unpacked = scratch.join("mmdebstrap");
        Self::unpack(scratch, &unpacked)
            .await
            .context("mmdebstrap is not installed and could not be fetched; install the package mmdebstrap")?;
        let bin = unpacked.join("usr/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        Ok(Self { mmdebstrap: bin.join("mmdebstrap"), path: Some(format!("{}:{path}", bin.display())) })
    }

    async fn unpack(scratch: &Path, to: &Path) -> Result<()> {
        let fetch =
            || Cmd::new("apt-get").args(["download", "mmdebstrap"]).dir(scratch).deadline(Duration::from_secs(120));
        if let Err(error) = fetch().run_ok().await {
            // A fresh machine may have no package lists yet; only root may fetch them.
            if !nix::unistd::geteuid().is_root() {
                return Err(error.into());
            }
            Cmd::new("apt-get").arg("update").deadline(Duration::from_secs(300)).run_ok().await?;
            fetch().run_ok().await?;
        }
        let package = fs::read_dir(scratch)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .context("apt-get download left no package")?;
        Cmd::new("dpkg-deb").arg("-x").args([package.display().to_string(), to.display().to_string()]).run_ok().await?;
        Ok(())
    }
}

/// The packages that are installed, each with the hash that the index has of it.
fn resolved(installed: &str, available: &str) -> Result<Vec<Package>> {
    let mut hashes = std::collections::BTreeMap::new();
    for stanza in available.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if let (Some(name), Some(version), Some(sha256)) = (field("Package"), field("Version"), field("SHA256")) {
            hashes.insert((name, version), sha256);
        }
    }
    let mut packages = Vec::new();
    for line in installed.lines() {
        let [name, _, version] = line.split(' ').collect::<Vec<_>>()[..] else { bail!("dpkg-query gave `{line}`") };
        let sha256 =
            hashes.get(&(name, version)).with_context(|| format!("the index knows no hash of {name} {version}"))?;
        packages.push(Package { name: name.into(), version: version.into(), sha256: (*sha256).into() });
    }
    packages.sort();
    if packages.is_empty() {
        bail!("no package was installed");
    }
    Ok(packages)
}

/// The host's own apt sources for a suite and its updates, as one-line entries; none where it has none, and then
/// mmdebstrap takes Debian's own.
fn sources(folder: &Path, suite: &str) -> Vec<String> {
    let mut files = vec![folder.join("sources.list")];
    files.extend(fs::read_dir(folder.join("sources.list.d")).into_iter().flatten().flatten().map(|entry| entry.path()));
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => lines.extend(text.lines().filter_map(|line| one_line(line, suite))),
            Some("sources") => lines.extend(text.split("\n\n").flat_map(|stanza| deb822(stanza, suite))),
            _ => {}
        }
    }
    lines
}

fn of_suite(found: &str, suite: &str) -> bool {
    [suite.to_owned(), format!("{suite}-updates"), format!("{suite}-security"), format!("{suite}/updates")]
        .contains(&found.to_owned())
}

fn one_line(line: &str, suite: &str) -> Option<String> {
    let words: Vec<&str> = line.strip_prefix("deb ")?.split_whitespace().collect();
    let options = words.iter().position(|word| word.ends_with(']')).map_or(0, |end| end + 1);
    let options = if words.first()?.starts_with('[') { options } else { 0 };
    let known = of_suite(words.get(options + 1)?, suite) && words.get(options + 2..)?.contains(&"main");
    known.then(|| format!("deb {} main", words[..options + 2].join(" ")))
}

fn deb822(stanza: &str, suite: &str) -> Vec<String> {
    let field = |name: &str| {
        stanza
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
            .unwrap_or_default()
            .to_owned()
    };
    let holds = |name: &str, word: &str| field(name).split_whitespace().any(|found| found == word);
    if !holds("Types", "deb") || !holds("Components", "main") || field("Enabled") == "no" {
        return vec![];
    }
    let signed = field("Signed-By");
    // A key written out in the stanza spans lines and cannot stand in a one-line entry; the installed keys serve then.
    let options = if signed.starts_with('/') { format!("[signed-by={signed}] ") } else { String::new() };
    let suites: Vec<_> =
        field("Suites").split_whitespace().filter(|found| of_suite(found, suite)).map(str::to_owned).collect();
    let uris = field("URIs");
    let pairs = uris.split_whitespace().flat_map(|uri| suites.iter().map(move |suite| (uri, suite)));
    pairs.map(|(uri, suite)| format!("deb {options}{uri} {suite} main")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_own_mirror_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sources.list.d")).unwrap();
        fs::write(
            dir.path().join("sources.list"),
            "# deb http://no.example/debian bookworm main\ndeb [arch=amd64 trusted=no] http://a.example/debian bookworm main contrib\n\
             deb http://a.example/debian trixie main\n",
        )
        .unwrap();
        fs::write(
            dir.path().join("sources.list.d/debian.sources"),
            "Types: deb\n# a remark\nURIs: http://b.example/debian\nSuites: bookworm bookworm-updates sid\nComponents: main\n\
             Signed-By: /usr/share/keyrings/k.gpg\n\nTypes: deb-src\nURIs: http://c.example\nSuites: bookworm\nComponents: main\n",
        )
        .unwrap();
        assert_eq!(
            sources(dir.path(), "bookworm"),
            [
                "deb [arch=amd64 trusted=no] http://a.example/debian bookworm main",
                "deb [signed-by=/usr/share/keyrings/k.gpg] http://b.example/debian bookworm main",
                "deb [signed-by=/usr/share/keyrings/k.gpg] http://b.example/debian bookworm-updates main",
            ]
        );
        assert!(sources(dir.path(), "forky").is_empty());
    }

    #[test]
    fn installed_packages_get_the_hash_of_the_index() {
        let index = "Package: a\nVersion: 1\nSHA256: aa\n\nPackage: b\nVersion: 2\nSHA256: bb\n";
        let found = resolved("b amd64 2\na all 1\n", index).unwrap();
        assert_eq!(found.iter().map(|package| package.sha256.as_str()).collect::<Vec<_>>(), ["aa", "bb"]);
        assert!(resolved("a amd64 9\n", index).unwrap_err().to_string().contains("no hash of a 9"));
    }

    #[test]
    fn patterns_cannot_leave_the_shell_line() {
        assert!(check_pattern("/lib/systemd/system/sockets.target.wants/*udev*").is_ok());
        for bad in ["etc", "/etc; reboot", "/a/../b", "/$(x)"] {
            assert!(check_pattern(bad).is_err(), "{bad}");
        }
    }
}
