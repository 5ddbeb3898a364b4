//! What a task sees: its arguments, environment, folder, descriptors, signals and pid.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use spawner_core::{Capability, ErrorKind, Exit, Level, Output, Pull, TaskId, TaskSpec};

use super::detach::patient;
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(arguments, "arguments-arrive-byte-for-byte", [UnchangedView]),
    case!(environment, "the-environment-is-exactly-what-was-asked-for", [UnchangedView]),
    case!(inherited, "the-harness-s-environment-is-inherited-with-the-changes", [UnchangedView]),
    case!(folder, "the-working-directory-is-the-one-asked-for", [UnchangedView]),
    case!(descriptors, "no-other-descriptors-are-inherited", [UnchangedView]),
    case!(signals, "no-signal-is-blocked-or-ignored", [UnchangedView]),
    case!(pid, "a-task-has-the-pid-that-the-host-knows", [UnchangedView]),
    case!(image, "a-task-names-its-own-image", [Container]),
    case!(files, "files-are-read-written-and-appended-to", [ExactExit]),
];

/// The mark that every backend adds.
const MARK: &str = "SPAWNER_TASK_ID";

/// Runs the task, and gives what it wrote to standard output, by way of a file.
pub(super) async fn told(scene: &Scene, spec: TaskSpec) -> Checked<Vec<u8>> {
    let path = scene.path("told");
    let task =
        scene.spawner.spawn_task(&spec.stdout(Output::File { path: path.clone(), append: false })).await?;
    scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
    drop(scene.end(&task, &patient()).await?);
    Ok(std::fs::read(path)?)
}

fn lines(told: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    told.split(|&byte| byte == 0).map(<[u8]>::to_vec).filter(|text| !text.is_empty())
}

fn odd() -> OsString {
    OsString::from_vec(b"\xff\xfe x".to_vec())
}

/// An engine is talked to in JSON, which has no room for bytes that are no text: asserts that they are refused.
async fn only_text(scene: &Scene, spec: TaskSpec) -> Checked<bool> {
    if scene.contained() {
        scene.fails(&spec, &[ErrorKind::InvalidSpec]).await?;
    }
    Ok(scene.contained())
}

async fn arguments(scene: Arc<Scene>) -> Checked {
    let odd_ones = ["", " ", "a b", "$HOME `id` \"'\\", "line\nline", "-x", "ünï", "*"].map(OsString::from);
    let only_text = only_text(&scene, scene.spec("tells-arguments", [odd()])).await?;
    let odd = (!only_text).then(odd);
    let all: Vec<OsString> = odd_ones.into_iter().chain(odd).chain(["last".into()]).collect();
    let told = told(&scene, scene.spec("tells-arguments", all.clone())).await?;
    let expected: Vec<u8> = all.into_iter().flat_map(|one| one.into_vec().into_iter().chain([0])).collect();
    require!(told == expected, "arguments came as {:?}", String::from_utf8_lossy(&told));
    Ok(())
}

fn variables(told: &[u8]) -> BTreeMap<OsString, OsString> {
    let pair = |line: Vec<u8>| {
        let at = line.iter().position(|&byte| byte == b'=')?;
        Some((OsString::from_vec(line[..at].to_vec()), OsString::from_vec(line[at + 1..].to_vec())))
    };
    lines(told).filter_map(pair).collect()
}

async fn same_variables(scene: &Scene, mut spec: TaskSpec) -> Checked {
    let mut start: BTreeMap<_, _> = std::env::vars_os().collect();
    if scene.elsewhere() {
        // What the place says, with or without inheriting; and an engine names each container after itself.
        start = variables(&told(scene, scene.spec("tells-environment", [""; 0])).await?);
        spec.env.inherit = true;
    }
    let mut expected = spec.env.resolve(start);
    let mut seen = variables(&told(scene, spec).await?);
    let own: &[&str] = if scene.contained() { &[MARK, "HOSTNAME"] } else { &[MARK] };
    for name in own.iter().map(std::ffi::OsStr::new) {
        seen.remove(name);
        expected.remove(name);
    }
    require!(seen == expected, "the environment is {seen:?} and should be {expected:?}");
    Ok(())
}

async fn environment(scene: Arc<Scene>) -> Checked {
    let spec = scene.spec("tells-environment", [""; 0]).env_clear();
    let spec = spec.env("A", "1=2").env("EMPTY", "").env("LINES", "a\nb");
    let odd = spec.clone().env("ODD", odd());
    let only_text = only_text(&scene, odd.clone()).await?;
    same_variables(&scene, if only_text { spec } else { odd }).await
}

async fn inherited(scene: Arc<Scene>) -> Checked {
    let mut spec = scene.spec("tells-environment", [""; 0]).env("SPAWNER_CONFORMANCE_ADDED", "1");
    spec.env.changes.insert("PATH".into(), None);
    same_variables(&scene, spec).await
}

async fn folder(scene: Arc<Scene>) -> Checked {
    let folder = scene.path("a folder\nof two lines");
    std::fs::create_dir(&folder)?;
    let folder = folder.canonicalize()?;
    let told = told(&scene, scene.spec("tells-folder", [""; 0]).cwd(&folder)).await?;
    let told = PathBuf::from(OsString::from_vec(told));
    require!(told == folder, "it ran in {}", told.display());
    Ok(())
}

async fn descriptors(scene: Arc<Scene>) -> Checked {
    let told = told(&scene, scene.spec("tells-descriptors", [""; 0])).await?;
    let told = String::from_utf8_lossy(&told).into_owned();
    for line in told.lines() {
        let fd = line.split(' ').next().and_then(|fd| fd.parse::<i32>().ok()).unwrap_or(-1);
        // What this program was itself given to hand on (a build tool's, for instance) is not the backend's.
        let right = (0..=2).contains(&fd) || is_handed_on(fd);
        require!(right, "the task was given another descriptor: {line}");
    }
    Ok(())
}

fn is_handed_on(fd: i32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| i32::from_str_radix(octal.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_CLOEXEC == 0)
}

async fn signals(scene: Arc<Scene>) -> Checked {
    scene.needs_proc().await?;
    let told = told(&scene, scene.spec("tells-signals", [""; 0])).await?;
    let told = String::from_utf8_lossy(&told).into_owned();
    let set = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|set| u64::from_str_radix(set.trim_start_matches(':').trim(), 16).ok())
    };
    require!(set("SigBlk") == Some(0), "signals are blocked: {told}");
    let ignored = set("SigIgn").unwrap_or(u64::MAX);
    let own = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let own = own.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    // Rust programs ignore SIGPIPE, which their children must not inherit; what else this one was made to
    // ignore (by nohup, say) is handed on rightly.
    let pipe = 1 << (libc::SIGPIPE - 1);
    // glibc's posix_spawn leaves the two signals ignored that it keeps for itself.
    let glibc_s_own = 0b11 << 31;
    require!(ignored & !(own & !pipe | glibc_s_own) == 0, "signals are ignored: {told}");
    Ok(())
}

async fn pid(scene: Arc<Scene>) -> Checked {
    if scene.level(Capability::UnchangedView) == Level::Unsupported {
        return Err(NotPassed::Skipped("the backend says that a task's view is another one".into()));
    }
    let path = scene.path("pid");
    let spec = scene.script(
        "sh",
        "echo $$ >\"$1.new\" && mv \"$1.new\" \"$1\"; sleep 30",
        &[&path.to_string_lossy()],
    );
    let task = scene.spawner.spawn_task(&spec).await?;
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !path.exists() {
        require!(std::time::Instant::now() < give_up, "the task did not write its pid");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let own = std::fs::read_to_string(&path)?;
    let living = scene.witness.living();
    drop(scene.end(&task, &patient()).await?);
    let known = living.iter().any(|living| living.pid.to_string() == own.trim());
    require!(known, "the task thinks that its pid is {}, and the host has {living:?}", own.trim());
    let leader = task.record().leader.as_ref().map(|leader| leader.pid.to_string());
    require!(leader.is_none_or(|pid| pid == own.trim()), "the record names another main process than {own}");
    Ok(())
}

async fn files(scene: Arc<Scene>) -> Checked {
    let (from, to) = (scene.path("from"), scene.path("to"));
    std::fs::write(&from, "new\n")?;
    for (append, expected) in [(false, "new\n"), (true, "old\nnew\n")] {
        std::fs::write(&to, "old\n")?;
        let spec = scene.spec("echoes", [""; 0]).stdin(spawner_core::Input::File(from.clone()));
        let spec = spec.stdout(Output::File { path: to.clone(), append });
        let task = scene.spawner.spawn_task(&spec).await?;
        scene.wait_for(&task, &Exit::Exited { code: 0 }).await?;
        drop(scene.end(&task, &patient()).await?);
        let got = std::fs::read_to_string(&to)?;
        require!(got == expected, "the file holds {got:?} and should hold {expected:?}");
    }
    Ok(())
}

/// Where there are containers, an image that is nowhere is the one that is missed: the wish was heard.
async fn image(scene: Arc<Scene>) -> Checked {
    let image = format!("localhost/nowhere-{}", TaskId::random());
    let mut spec = scene.spec("exits", ["0"]);
    (spec.container.image, spec.container.pull) = (Some(image.clone()), Some(Pull::Never));
    if scene.refuses(Capability::Container, &spec).await? {
        return Ok(());
    }
    match scene.spawner.spawn_task(&spec).await {
        Ok(_) => Err(NotPassed::Failed(format!("it was started without its image {image}"))),
        Err(error) => {
            require!(error.to_string().contains(&image), "the error does not name the image: {error}");
            Ok(())
        }
    }
}
