//! Builds root file systems from Debian packages with mmdebstrap.
//!
//! mmdebstrap resolves packages like apt (including security updates), and writes a tar file that is a layer. If the host does
//! not have it, its package is downloaded and unpacked for the build: it consists of two scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::Package;
use super::pins::{Arch, DebianPin};
use super::recipe::DebianStep;
use crate::build_error::{Context as _, Result, refuse};
use crate::exec::Cmd;

/// The limit for building a root file system.
const BUILD: Duration = Duration::from_secs(15 * 60);
/// The name of the layer in the cache entry.
pub(super) const LAYER: &str = "layer.tar";

/// The build of a root file system.
pub(super) struct DebianBuild<'a> {
    /// The step.
    pub step: &'a DebianStep,
    /// Its pin.
    pub pin: &'a DebianPin,
    /// The architecture.
    pub arch: Arch,
}

impl DebianBuild<'_> {
    /// Builds the layer into `folder` and returns its packages.
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
        // In the cache's own folder, so that a killed build leaves nothing in /tmp. For an ordinary user mmdebstrap runs as
        // subordinate users, which can't read that user's folders.
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
        let mut command = if root { in_own_namespaces(&tools.mmdebstrap) } else { Cmd::new(&tools.mmdebstrap) };
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
        command = command.args(host_sources(&self.pin.suite).await);
        if root {
            command = command.env("TMPDIR", scratch.path().display().to_string());
        }
        if let Some(path) = tools.path {
            command = command.env("PATH", path);
        }
        // A fixed time, so that equal packages give an equal layer.
        command = command.env("SOURCE_DATE_EPOCH", "1700000000").deadline(BUILD).on_line(on_line);
        command.run_ok().await.context(format!(
            "failed to build a root file system of Debian {}; it needs root, or an ordinary user with user namespaces and /etc/subuid",
            self.pin.suite
        ))?;
        read_packages(&read_file(&installed)?, &read_file(&available)?)
    }
}

/// The program in private mount and PID namespaces, which end with this process. As root mmdebstrap mounts /proc, /sys and
/// /dev below its folder in its current namespace. A killed build must not leave these mounts on the host, where a clean-up
/// would enter them.
fn in_own_namespaces(program: &Path) -> Cmd {
    Cmd::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(program.display().to_string())
}

fn read_file(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// Checks that a pattern is safe in a shell line, where it may only expand.
fn check_pattern(path: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "/._-*?+@".contains(c);
    if !path.starts_with('/') || path.contains("..") || !path.chars().all(fine) {
        refuse!("`{path}` is no absolute path or pattern");
    }
    Ok(())
}

/// mmdebstrap, and the PATH that it needs if it is not installed.
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
            // A new machine may have no package lists yet, and only root may download them.
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

/// The installed packages, each with its hash from the index.
fn read_packages(installed: &str, available: &str) -> Result<Vec<Package>> {
    let mut hashes = std::collections::BTreeMap::new();
    for stanza in available.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if let (Some(name), Some(version), Some(sha256)) = (field("Package"), field("Version"), field("SHA256")) {
            hashes.insert((name, version), sha256);
        }
    }
    let mut packages = Vec::new();
    for line in installed.lines() {
        let [name, _, version] = line.split(' ').collect::<Vec<_>>()[..] else { refuse!("dpkg-query gave `{line}`") };
        let sha256 =
            hashes.get(&(name, version)).with_context(|| format!("the index knows no hash of {name} {version}"))?;
        packages.push(Package { name: name.into(), version: version.into(), sha256: (*sha256).into() });
    }
    packages.sort();
    if packages.is_empty() {
        refuse!("no package was installed");
    }
    Ok(packages)
}

/// The fields of apt's index targets, for one line each.
const INDEX_FIELDS: &str = "$(SIGNED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)";
/// The keys of Debian's own archive, if their package is installed.
const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The host's own apt sources for a suite and its updates, as one-line entries. If it has none, mmdebstrap uses Debian's own.
async fn host_sources(suite: &str) -> Vec<String> {
    let listed = Cmd::new("apt-get").args(["indextargets", "--format", INDEX_FIELDS, "Created-By: Packages"]);
    let listed = listed.run_ok().await.map(|done| done.stdout).unwrap_or_default();
    let keys = Path::new(DEBIAN_KEYS).is_file().then_some(DEBIAN_KEYS);
    let mut lines: Vec<_> = listed.lines().filter_map(|line| source_line(line, suite, keys)).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// One index target as a source entry, if it belongs to the suite's main component. `keys` sign it if apt names no others:
/// an apt version without this field prints the placeholder unchanged, and an inline key spans lines.
fn source_line(line: &str, suite: &str, keys: Option<&str>) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [uri, release, "main"] = *fields.last_chunk::<3>()? else { return None };
    let of_suite = release.strip_prefix(suite).is_some_and(|rest| ["", "-updates", "-security"].contains(&rest));
    let signed = fields.first().copied().filter(|field| fields.len() > 3 && field.starts_with('/')).or(keys);
    let options = signed.map(|keys| format!("[signed-by={keys}] ")).unwrap_or_default();
    of_suite.then(|| format!("deb {options}{uri} {release} main"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_own_mirror_is_used() {
        let line = |text| source_line(text, "bookworm", Some("/k.gpg"));
        let own = line("/own.gpg http://a.example/debian/ bookworm-updates main").unwrap();
        assert_eq!(own, "deb [signed-by=/own.gpg] http://a.example/debian/ bookworm-updates main");
        for unsigned in
            ["$(SIGNED_BY) http://a.example/debian/ bookworm main", " http://a.example/debian/ bookworm main"]
        {
            assert_eq!(line(unsigned).unwrap(), "deb [signed-by=/k.gpg] http://a.example/debian/ bookworm main");
        }
        for other in ["x http://a.example/ trixie main", "x http://a.example/ bookworm contrib", "main", ""] {
            assert_eq!(line(other), None, "{other}");
        }
    }

    #[test]
    fn installed_packages_get_the_hash_of_the_index() {
        let index = "Package: a\nVersion: 1\nSHA256: aa\n\nPackage: b\nVersion: 2\nSHA256: bb\n";
        let found = read_packages("b amd64 2\na all 1\n", index).unwrap();
        assert_eq!(found.iter().map(|package| package.sha256.as_str()).collect::<Vec<_>>(), ["aa", "bb"]);
        assert!(read_packages("a amd64 9\n", index).unwrap_err().to_string().contains("no hash of a 9"));
    }

    #[test]
    fn patterns_cannot_leave_the_shell_line() {
        assert!(check_pattern("/lib/systemd/system/sockets.target.wants/*udev*").is_ok());
        for bad in ["etc", "/etc; reboot", "/a/../b", "/$(x)"] {
            assert!(check_pattern(bad).is_err(), "{bad}");
        }
    }
}
