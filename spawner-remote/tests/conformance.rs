//! Proves the remote backend by the suite that every backend has to pass: by each of its mechanisms, over a real sshd of
//! this test's own, as root and as the ordinary account `tester`.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitCode};

use common::sshd::Sshd;
use spawner_core::{Error, ErrorKind, Result, Spawner};
use spawner_remote::{RemoteConfig, RemoteSpawner, Require};

/// The hosts that there are, by the mechanism that each gives: JSON, for this program started again.
const HOSTS: &str = "SPAWNER_TEST_HOSTS";

const MECHANISMS: [&str; 4] = ["subreaper", "cgroup", "marks", "session"];

const ORDINARY: &str = "tester";

/// As many processes as the suite and all that it starts on the far end may have together.
const BOUND: &str = "16000";

/// The account that the suite runs as is the account that it logs in to, so that both see the same files.
fn make(name: &str) -> Result<Box<dyn Spawner>> {
    let none = || Error::new(ErrorKind::Unavailable, "find", "the hosts for the tests");
    let hosts = std::env::var(HOSTS).map_err(|_| none().hint("as root: cargo test -p spawner-remote"))?;
    let mut hosts: BTreeMap<String, RemoteConfig> = serde_json::from_str(&hosts).map_err(|_| none())?;
    let mut config = hosts.remove(name).ok_or_else(none)?;
    let is_root = rustix::process::geteuid().is_root();
    config.destination = format!("{}@{}", if is_root { "root" } else { ORDINARY }, config.destination);
    if !is_root {
        // ssh(1) refuses a key of its own user's that others may read.
        config.identity_file = config.identity_file.map(|key| key.with_extension(ORDINARY));
    }
    Ok(Box::new(RemoteSpawner::named(name, config)?))
}

fn main() -> ExitCode {
    spawner_conformance::run_if_asked();
    let args: Vec<_> = std::env::args().skip(1).collect();
    let asked = |flag: &str| args.iter().any(|arg| arg == flag);
    let has_host = std::env::var_os(HOSTS).is_some() || !rustix::process::geteuid().is_root();
    if has_host || asked("--list") {
        let mut mechanisms = MECHANISMS.to_vec();
        if !rustix::process::geteuid().is_root() {
            // Not to the standard output, by which a harness of the suite's talks.
            eprintln!("cgroup: skipped, since no control group of the server is delegated to this account");
            mechanisms.retain(|mechanism| *mechanism != "cgroup");
        }
        return spawner_conformance::main(&mechanisms, make);
    }
    let jail = Jail::enter();
    let servers: Vec<_> = MECHANISMS.iter().map(|mechanism| (*mechanism, host(mechanism))).collect();
    for (_, sshd) in &servers {
        let (key, copy) = (sshd.at("user"), sshd.at("user").with_extension(ORDINARY));
        fs::copy(key, &copy).unwrap();
        assert!(Command::new("chown").arg(ORDINARY).arg(copy).status().unwrap().success());
    }
    let hosts: BTreeMap<_, _> = servers
        .iter()
        .map(|(mechanism, sshd)| {
            let config = RemoteConfig {
                destination: "127.0.0.1".into(),
                require: (*mechanism == "cgroup").then_some(Require::Cgroup),
                state_dir: None,
                // Time enough for a machine that does much else.
                connect_timeout: 20,
                lease: 6,
                ..sshd.config("nobody")
            };
            (*mechanism, config)
        })
        .collect();
    let hosts = serde_json::to_string(&hosts).unwrap();
    let as_user = ["--as-user", ORDINARY];
    let rounds: &[&[&str]] = if asked("--as-user") { &[&[]] } else { &[&[], &as_user] };
    let mut good = true;
    for more in rounds {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let ended = command.args(&args).args(*more).env(HOSTS, &hosts).status().unwrap();
        good &= ended.success();
    }
    drop(servers);
    drop(jail);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A host that gives this mechanism, and none that is stronger.
fn host(mechanism: &str) -> Sshd {
    match mechanism {
        "session" => {
            let no_proc =
                ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"];
            Sshd::start_by(&no_proc, "")
        }
        "marks" => {
            let folder = bare_folder();
            let settings = format!("SetEnv PATH={} SHLVL=5\n", folder.path().display());
            Sshd::start(&settings).keeping(folder)
        }
        _ => Sshd::start(""),
    }
}

/// A folder with everything that a host has in its PATH, but for what makes a subreaper; and mkdir(1) does not make the
/// control group by which it is found out whether one can be made. The workloads may make theirs.
fn bare_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for from in ["/bin", "/usr/bin", "/usr/sbin"] {
        for entry in fs::read_dir(from).unwrap().flatten() {
            let name = entry.file_name();
            let there = folder.path().join(&name);
            let text = name.to_string_lossy();
            if text == "mkdir" {
                continue;
            }
            if !text.starts_with("perl")
                && !text.starts_with("python")
                && fs::symlink_metadata(&there).is_err()
            {
                symlink(Path::new(from).join(&name), there).unwrap();
            }
        }
    }
    let mkdir = folder.path().join("mkdir");
    let text = "#!/bin/sh\ncase $1 in */spawner-probe-*) exit 1 ;; esac\nexec /bin/mkdir \"$@\"\n";
    fs::write(&mkdir, text).unwrap();
    fs::set_permissions(mkdir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// A hard bound on the processes of both ends, whatever a case gets wrong; all of them start below this one.
struct Jail(std::path::PathBuf);

impl Jail {
    fn enter() -> Option<Self> {
        let folder = Path::new("/sys/fs/cgroup/pids");
        let own = folder.join(format!("spawner-remote-{}", std::process::id()));
        let entered = fs::create_dir(&own)
            .and_then(|()| fs::write(own.join("pids.max"), BOUND))
            .and_then(|()| fs::write(own.join("cgroup.procs"), "0"));
        match entered {
            Ok(()) => Some(Self(own)),
            Err(error) => {
                println!("there is no outer jail around the far end: {error}");
                None
            }
        }
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        fs::write("/sys/fs/cgroup/pids/cgroup.procs", "0").unwrap();
        common::until("nothing is left in the jail", common::PATIENCE, || {
            // The suite's own, below this one, where that could not be removed by then.
            let inner: Vec<_> =
                fs::read_dir(&self.0).into_iter().flatten().flatten().map(|one| one.path()).collect();
            inner.iter().filter(|one| one.is_dir()).all(|one| fs::remove_dir(one).is_ok())
                && fs::remove_dir(&self.0).is_ok()
        });
    }
}
