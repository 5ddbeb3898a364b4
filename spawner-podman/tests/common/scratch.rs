//! An engine for one test alone, which may stop and kill it.

#![allow(dead_code)] // Each test uses some of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// An engine with storage and settings of its own; removed when dropped, and then it has to be empty.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

fn script() -> PathBuf {
    // Tests of the workspace's first package use this too.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["scripts/podman.sh", "../scripts/podman.sh"].map(|place| package.join(place));
    places.into_iter().find(|place| place.exists()).expect("the script is in the repository")
}

impl Scratch {
    /// `None` where whoever runs the tests wants none of these.
    pub(crate) fn up() -> Option<Self> {
        if std::env::var("SPAWNER_SKIP").is_ok_and(|skip| skip.split(',').any(|one| one == "podman")) {
            println!("skipped: SPAWNER_SKIP says so");
            return None;
        }
        // The path of a socket has an end (unix(7)).
        let folder = tempfile::Builder::new().prefix("box-").tempdir_in("/tmp").unwrap();
        let told = Command::new(script()).arg("up").arg(folder.path().join("e")).output().unwrap();
        let (text, why) = (String::from_utf8(told.stdout).unwrap(), String::from_utf8_lossy(&told.stderr));
        assert!(told.status.success(), "{why} (SPAWNER_SKIP=podman leaves these tests out)");
        let variable = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let environment = text.lines().filter_map(variable).collect();
        Some(Self { folder, environment })
    }

    /// A folder for whatever a test keeps beside the engine.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a program needs to find it.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Its socket.
    pub(crate) fn address(&self) -> String {
        let host = self.environment.iter().find(|(name, _)| name == "CONTAINER_HOST");
        host.unwrap().1.clone()
    }

    /// A program that finds it.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `podman` on its storage, without the service.
    pub(crate) fn podman(&self, arguments: &[&str]) -> String {
        let mut podman = self.command("podman");
        let output = podman.env_remove("CONTAINER_HOST").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// An image whose containers get an anonymous volume at `/data`.
    pub(crate) fn image_with_volume(&self) -> String {
        let image = "localhost/with-volume:latest";
        self.podman(&["create", "--name", "base", "localhost/busybox:latest", "true"]);
        self.podman(&["commit", "--quiet", "--change", "VOLUME /data", "base", image]);
        self.podman(&["rm", "base"]);
        image.to_owned()
    }

    /// The names of all volumes.
    pub(crate) fn volumes(&self) -> String {
        self.podman(&["volume", "ls", "--quiet"]).trim().to_owned()
    }

    /// Every container in whatever state.
    pub(crate) fn containers(&self) -> String {
        self.podman(&["ps", "--all", "--format", "{{.Names}} {{.Status}}"])
    }

    /// Signals the service. It is started again by [`Scratch::restart`].
    pub(crate) fn signal(&self, signal: Signal) {
        // A rootless one is two processes; the script starts it in a group of its own.
        kill_process_group(self.engine(), signal).unwrap();
    }

    fn engine(&self) -> Pid {
        let text = std::fs::read_to_string(self.folder.path().join("e/engine")).unwrap();
        Pid::from_raw(text.split(' ').next().unwrap().parse().unwrap()).unwrap()
    }

    /// Kills the service, and sees it end.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        let (pid, began) = (self.engine().as_raw_nonzero().get().cast_unsigned(), Instant::now());
        while spawner_core::ProcessIdentity::of(pid).is_some() {
            assert!(began.elapsed() < Duration::from_secs(10), "the engine lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The service again, after it was killed.
    pub(crate) fn restart(&self) {
        // It reads what is there, and makes nothing anew.
        let told = Command::new(script()).arg("up").arg(self.folder.path().join("e")).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let down = Command::new(script()).arg("down").arg(self.folder.path().join("e")).status().unwrap();
        if !std::thread::panicking() {
            assert!(down.success(), "something was left in the engine");
        }
    }
}
