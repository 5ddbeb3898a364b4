//! What a task sees: its arguments, environment, folder, descriptors, signals and pid.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use spawner_core::{Capability, ErrorKind, Exit, Level, Output, Pull, TaskId, TaskSpec};

use super::detach::patient;
use super::platform::{self, odd, text};
use crate::case::{Case, Checked, NotPassed, case, require};
use crate::host::Need;
use crate::scene::Scene;

pub(super) const CASES: &[Case] = &[
    case!(arguments, "arguments-arrive-byte-for-byte", [UnchangedView]),
    case!(environment, "the-environment-is-exactly-what-was-asked-for", [UnchangedView]),
    case!(inherited, "the-harness-s-environment-is-inherited-with-the-changes", [UnchangedView]),
    case!(folder, "the-working-directory-is-the-one-asked-for", [UnchangedView]),
    case!(platform::descriptors, "no-other-descriptors-are-inherited", [UnchangedView]),
    case!(platform::signals_seen, "no-signal-is-blocked-or-ignored", [UnchangedView])
        .needs(&[Need::Unix("there are no signals")]),
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
    let expected: Vec<u8> =
        all.iter().flat_map(|one| one.as_encoded_bytes().iter().copied().chain([0])).collect();
    require!(told == expected, "arguments came as {:?}", String::from_utf8_lossy(&told));
    Ok(())
}

fn variables(told: &[u8]) -> BTreeMap<OsString, OsString> {
    let pair = |line: Vec<u8>| {
        let at = line.iter().skip(1).position(|&byte| byte == b'=')? + 1;
        Some((platform::name(line[..at].to_vec())?, text(line[at + 1..].to_vec())))
    };
    lines(told).filter_map(pair).collect()
}

async fn same_variables(scene: &Scene, mut spec: TaskSpec) -> Checked {
    let own = |(name, value): (OsString, OsString)| Some((platform::name(name.into_encoded_bytes())?, value));
    let mut start: BTreeMap<_, _> = std::env::vars_os().filter_map(own).collect();
    if scene.elsewhere() {
        // What the place says, with or without inheriting; and an engine names each container after itself.
        start = variables(&told(scene, scene.spec("tells-environment", [""; 0])).await?);
        spec.env.inherit = true;
    }
    let told_so = |(name, value): (OsString, OsString)| (name, text(value.into_encoded_bytes()));
    let mut expected: BTreeMap<_, _> = spec.env.resolve(start).into_iter().map(told_so).collect();
    let mut seen = variables(&told(scene, spec).await?);
    let own: &[&str] = if scene.contained() { &[MARK, "HOSTNAME"] } else { &[MARK] };
    for name in own.iter().map(OsString::from).chain(platform::always_there(scene)?) {
        seen.remove(&name);
        expected.remove(&name);
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
    let folder = scene.path(platform::FOLDER);
    std::fs::create_dir(&folder)?;
    let folder = platform::full(&folder)?;
    let told = told(&scene, scene.spec("tells-folder", [""; 0]).cwd(&folder)).await?;
    let told = PathBuf::from(text(told));
    require!(told == folder, "it ran in {}", told.display());
    Ok(())
}

async fn pid(scene: Arc<Scene>) -> Checked {
    if scene.level(Capability::UnchangedView) == Level::Unsupported {
        return Err(NotPassed::Skipped("the backend says that a task's view is another one".into()));
    }
    let path = scene.path("pid");
    let task = scene.spawner.spawn_task(&platform::tells_pid(&scene, &path)).await?;
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
