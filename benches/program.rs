//! The whole program around `/bin/true`, beside bubblewrap with a pid namespace.

use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn life_of_true(criterion: &mut Criterion) {
    let mut ours = || run(Command::new(env!("CARGO_BIN_EXE_spawner")).args(["run", "--", "/bin/true"]));
    let bubblewrap =
        ["--unshare-pid", "--die-with-parent", "--dev-bind", "/", "/", "--proc", "/proc", "/bin/true"];
    if Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: there is no bwrap (apt-get install bubblewrap)");
        return;
    }
    let mut peer = || run(Command::new("bwrap").args(bubblewrap));
    common::alternate(
        criterion,
        "program around /bin/true",
        ("spawner run", &mut ours),
        ("bwrap", &mut peer),
    );
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
}

criterion_group!(benches, life_of_true);
criterion_main!(benches);
