//! What a console sends.
//!
//! Whoever runs a test has a console or none; a test that presses keys is a process of its own, on a new console without
//! a window.
#![allow(unsafe_code)] // Pressing a key, and the fault of a task that crashes.

use std::os::windows::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    EXCEPTION_EXECUTE_HANDLER, EXCEPTION_POINTERS, SetUnhandledExceptionFilter,
};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};

use super::program::{Filed, Ran, collect, command, eventually, spawner};
use super::scene::Scene;

#[test]
fn ctrl_break_ends_the_task_by_the_ladder_and_its_status_is_told() {
    on_a_console("console::break_pressed");
}

#[test]
#[ignore = "the test above gives it a console"]
fn break_pressed() {
    let scene = Scene::new();
    let mut command = command();
    command.args(["run", "--grace", "40s", "--"]).args(scene.task("heeds"));
    let began = Instant::now();
    let mut child = command.creation_flags(CREATE_NEW_PROCESS_GROUP).spawn().unwrap();
    wait_for_listener(&scene);
    let pressed = press(CTRL_BREAK_EVENT, child.id());
    if is_wine() {
        // The day that it can, this fails, and the rest is to be asserted there too.
        assert!(pressed.is_err(), "wine 8 has no Ctrl-Break");
        child.kill().unwrap();
        drop(collect(child, began));
        return;
    }
    pressed.unwrap();
    let ran = collect(child, began);
    was_asked(&ran);
    assert_eq!((scene.came(), scene.held()), (1, 0));
}

#[test]
fn ctrl_c_ends_the_task_by_the_ladder_and_its_status_is_told() {
    on_a_console("console::c_pressed");
}

#[test]
#[ignore = "the test above gives it a console"]
fn c_pressed() {
    let grace = Duration::from_secs(if is_wine() { 2 } else { 40 });
    let scene = Scene::new();
    let ran = c_pressed_in(&scene, "heeds", grace, 1);
    if is_wine() {
        // Nobody can be asked there, so the grace passes.
        assert!(ran.took > grace && !ran.stdout.contains("asked"), "{ran:?}");
    } else {
        was_asked(&ran);
    }
    assert_eq!((scene.came(), scene.held()), (1, 0));
}

#[test]
fn a_second_ctrl_c_skips_the_grace() {
    on_a_console("console::c_pressed_twice");
}

#[test]
#[ignore = "the test above gives it a console"]
fn c_pressed_twice() {
    let scene = Scene::new();
    let ran = c_pressed_in(&scene, "deaf", Duration::from_secs(50), usize::MAX);
    assert!(ran.took < Duration::from_secs(40), "the grace was not waited for: {ran:?}");
    assert_eq!((scene.came(), scene.held()), (1, 0));
}

/// It heard, said so, and ended in its own way, long before its grace had passed.
fn was_asked(ran: &Ran) {
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stdout.contains("asked") && ran.took < Duration::from_secs(40), "{ran:?}");
}

/// Runs an ignored test of this executable on a new console.
fn on_a_console(test: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    let folder = tempfile::tempdir().unwrap();
    let ran =
        Filed::start(command.stdin(Stdio::null()).creation_flags(CREATE_NO_WINDOW), folder.path()).end();
    assert!(ran.status == 0 && ran.stdout.contains("1 passed"), "{}\n{}", ran.stdout, ran.stderr);
}

/// `spawner run` of a task, during which somebody presses Ctrl-C this often at most, once a second.
fn c_pressed_in(scene: &Scene, task: &str, grace: Duration, times: usize) -> Ran {
    hear_ctrl_c();
    // All on this console get it, and this process goes on.
    let _deaf = tokio::signal::windows::ctrl_c().unwrap();
    let mut command = command();
    command.args(["run", "--grace", &format!("{}s", grace.as_secs()), "--"]).args(scene.task(task));
    let mut running = Filed::start(&mut command, scene.folder());
    wait_for_listener(scene);
    let (mut presses, mut last) = (0, None::<Instant>);
    eventually(|| {
        if presses < times && last.is_none_or(|last| last.elapsed() > Duration::from_secs(1)) {
            press(CTRL_C_EVENT, 0).unwrap();
            (presses, last) = (presses + 1, Some(Instant::now()));
        }
        running.has_ended().then_some(())
    });
    running.end()
}

/// Whoever runs the tests may ignore Ctrl-C, as a shell has its background jobs do, and children inherit that.
fn hear_ctrl_c() {
    // SAFETY: it takes a number and no handler.
    let heard = unsafe { SetConsoleCtrlHandler(None, 0) };
    assert_ne!(heard, 0, "{}", std::io::Error::last_os_error());
}

/// The task says that it is here before it listens to the console.
fn wait_for_listener(scene: &Scene) {
    scene.wait_for(1);
    eventually(|| scene.folder().join("listens").exists().then_some(())).expect("the task listens");
}

/// Presses a key for a group of this console's processes; 0 is all of them.
fn press(key: u32, group: u32) -> std::io::Result<()> {
    // SAFETY: it takes two numbers; a group is that of a child which has not been waited for.
    let sent = unsafe { GenerateConsoleCtrlEvent(key, group) };
    if sent == 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn is_wine() -> bool {
    let ran = spawner(["doctor"]);
    ran.stdout.lines().any(|line| line.contains(" system ") && line.contains(" wine "))
}

/// Returns once Ctrl-Break was pressed.
pub(crate) fn wait_for_break(listening: impl FnOnce()) {
    listen(async |mut keys| {
        listening();
        keys.recv().await.unwrap();
    });
}

/// Has Ctrl-Break do nothing to this process for so long, and returns then.
pub(crate) fn be_deaf(listening: impl FnOnce(), time: Duration) {
    listen(async |_keys| {
        listening();
        tokio::time::sleep(time).await;
    });
}

fn listen(work: impl AsyncFnOnce(tokio::signal::windows::CtrlBreak)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { work(tokio::signal::windows::ctrl_break().unwrap()).await });
}

/// Ends this process as a program with a wild pointer does, without a debugger or a dialog in between.
pub(crate) fn violate_access() -> ! {
    unsafe extern "system" fn quietly(_: *const EXCEPTION_POINTERS) -> i32 {
        EXCEPTION_EXECUTE_HANDLER
    }
    // SAFETY: the function looks at nothing, and concerns how this process ends.
    unsafe { SetUnhandledExceptionFilter(Some(quietly)) };
    // SAFETY: it is not; Windows never maps the first page, and ends the process here.
    unsafe { std::ptr::without_provenance_mut::<u32>(8).write_volatile(0) };
    unreachable!("the first page is never there");
}
