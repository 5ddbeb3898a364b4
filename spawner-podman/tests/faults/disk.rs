//! An engine whose disk is full.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use spawner_core::{ResourceKind, Spawner, Teardown};

use crate::engine::{backend, containers, given, is_alive, podman, stubborn};

/// A small file system with an engine of its own on it.
struct Small {
    folder: PathBuf,
    address: String,
}

fn run(program: &str, args: &[&str]) -> String {
    let told = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(told.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8_lossy(&told.stdout).into_owned()
}

fn script() -> String {
    format!("{}/../scripts/podman.sh", env!("CARGO_MANIFEST_DIR"))
}

impl Small {
    fn make(parent: &Path) -> Self {
        let folder = parent.join("small");
        std::fs::create_dir(&folder).unwrap();
        let place = folder.to_string_lossy().into_owned();
        run("mount", &["-t", "tmpfs", "-o", "size=24m", "tmpfs", &place]);
        let mut small = Self { folder, address: String::new() };
        let told = run(&script(), &["up", &format!("{place}/pod")]);
        let address = told.lines().find_map(|line| line.strip_prefix("export CONTAINER_HOST="));
        address.expect("the script names the socket").clone_into(&mut small.address);
        small
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.folder.join("fill")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.folder.join("fill")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let place = self.folder.to_string_lossy().into_owned();
        for (program, args) in [(script(), vec!["down", "PLACE/pod"]), ("umount".into(), vec!["PLACE"])] {
            let args: Vec<_> = args.iter().map(|arg| arg.replace("PLACE", &place)).collect();
            match Command::new(&program).args(&args).output() {
                Ok(told) if told.status.success() => {}
                other => eprintln!("{program} {args:?}: {other:?}"),
            }
        }
    }
}

/// Starting fails with an error of its own and leaves nothing; destroying never says clean what is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_error_and_never_a_false_clean() {
    if given().is_none() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        println!("podman: skipped disk: only root can make a small file system");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let small = Small::make(folder.path());
    let spawner = backend(&small.address, folder.path());
    let task = spawner.spawn_task(&stubborn()).await.unwrap();
    let id = containers(&small.address, &task).remove(0);
    small.fill();
    let error = spawner.spawn_task(&stubborn()).await.map(|task| task.id()).expect_err("there is no room");
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(error.cleanup().is_none_or(spawner_core::CleanupOutcome::is_clean), "{error}");

    let outcome = spawner.destroy_task(&task, &Teardown::at_once().deadline(Duration::from_secs(3))).await;
    assert!(!is_alive(&task), "the processes were spared: {outcome}");
    let there = containers(&small.address, &task);
    assert!(there.is_empty() == outcome.is_clean(), "there is {there:?}, and the outcome says: {outcome}");
    if !outcome.is_clean() {
        let named = outcome.leftovers().any(|leftover| {
            let resource = leftover.resource();
            resource.kind == ResourceKind::Container && resource.id == id && resource.remedy.is_some()
        });
        assert!(named, "the container is not named: {outcome}");
    }
    small.empty();
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    assert!(outcome.is_clean(), "there is room again: {outcome}");
    let left = podman(&small.address, &["ps", "--all", "--quiet"]);
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "containers are left");
    spawner.shutdown().await.unwrap();
}
