//! Programs that need the terminal work, in a real one: tmux plays the person and shows the screen.
#![cfg(unix)]

mod common;

use std::process::Command;

use common::screen::Screen;
use common::{alive, eventually, mark};

/// The pid of the program, among the processes with this argument: the one whose helpers the others are.
fn program_of(mark: &str) -> String {
    let called = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm"));
    let ours = alive(mark);
    let is_helper = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = status.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        parent.is_none_or(|parent: u32| ours.contains(&parent))
    };
    let mut called_so = ours.iter().filter(|pid| called(pid).is_ok_and(|name| name == "spawner\n"));
    let program = called_so.find(|pid| !is_helper(pid));
    program.expect("the program is there").to_string()
}

#[test]
fn a_task_has_a_terminal_of_its_own_with_the_size_of_ours() {
    let screen = Screen::open();
    screen.line("spawner run -- sh -c 'test -t 0 && test -t 1 && test -t 2 && tty < /dev/tty && stty size'; echo status $?");
    screen.shows("24 80");
    screen.shows("status 0");
    screen.is_restored();
}

#[test]
fn the_task_learns_of_a_new_size() {
    let screen = Screen::open();
    // Ctrl-C has to wait for the end of stty: a bash whose child did not die of it goes on.
    screen.line("spawner run -- bash -c 'trap new=1 WINCH; echo ready; until [ $new ]; do read -t 1; done; stty size; echo told; exec sleep 60'; s=$?; echo; echo status $s");
    screen.shows("ready");
    screen.tmux(&["resize-window", "-x", "100", "-y", "30"]).unwrap();
    screen.shows("30 100");
    screen.shows("told");
    screen.keys(&["C-c"]);
    screen.shows("status 130");
    screen.is_restored();
}

/// The letter of a process's state (proc_pid_stat(5)).
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn control_c_goes_to_the_task_and_control_z_to_its_jobs() {
    let screen = Screen::open();
    let mark = mark();
    screen.line("spawner run -- env PS1='inner$ ' bash --norc --noprofile -i; echo status $?");
    screen.shows("inner$");
    screen.line(&format!("clear; sleep {mark}"));
    eventually(|| Some(()).filter(|()| !alive(&mark).is_empty())).expect("the sleep is there");
    screen.keys(&["C-z"]);
    screen.shows("[1]+  Stopped");
    screen.line("fg");
    // Before it goes on, the keys are the shell's.
    let runs = || alive(&mark).into_iter().find(|pid| state(*pid) == Some('S'));
    eventually(runs).expect("the sleep goes on");
    screen.keys(&["C-c"]);
    eventually(|| Some(()).filter(|()| alive(&mark).is_empty())).expect("Ctrl-C ends the sleep");
    screen.line("clear; echo still here");
    screen.shows("still here");
    screen.keys(&["C-d"]);
    screen.shows("status 0");
    screen.is_restored();
}

#[test]
fn control_c_ends_a_task_that_is_one_program() {
    let screen = Screen::open();
    let mark = mark();
    // What it says is shown by us, so the terminal is joined by then.
    screen.line(&format!("spawner run -- sh -c 'echo ready; exec sleep {mark}'; s=$?; echo; echo status $s"));
    screen.shows("ready");
    screen.keys(&["C-c"]);
    screen.shows("status 130");
    screen.is_restored();
}

#[test]
fn an_editor_works() {
    let screen = Screen::open();
    let file = screen.folder.path().join("text");
    let editor = ["vim", "vi", "nano"].into_iter().find(|name| {
        Command::new("sh").args(["-c", &format!("command -v {name}")]).output().unwrap().status.success()
    });
    match editor.expect("this test needs an editor: install one (`apt-get install vim-tiny`)") {
        "nano" => {
            screen.line(&format!("spawner run -- nano {}; echo status $?", file.display()));
            screen.shows("^G");
            screen.keys(&["h", "i", "C-o", "Enter", "C-x"]);
        }
        vi => {
            screen.line(&format!("spawner run -- {vi} -u NONE {}; echo status $?", file.display()));
            screen.shows("~");
            screen.keys(&["i", "h", "i", "Escape"]);
            screen.line(":wq");
        }
    }
    screen.shows("status 0");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "hi\n");
    screen.is_restored();
}

#[test]
fn top_works() {
    let screen = Screen::open();
    screen.line("spawner run -- top; echo status $?");
    screen.shows("top - ");
    screen.keys(&["q"]);
    screen.shows("status 0");
    screen.is_restored();
}

#[test]
fn the_terminal_is_restored_when_a_signal_ends_it() {
    for signal in ["TERM", "HUP", "QUIT"] {
        let screen = Screen::open();
        let mark = mark();
        screen.line(&format!("spawner run -- sh -c 'echo ready; exec sleep {mark}' {mark}; echo status $?"));
        screen.shows("ready");
        send(signal, &mark);
        screen.shows("status 143");
        screen.is_restored();
    }
}

/// Has a task that waits for a line, and sends the program this signal.
#[track_caller]
fn waits_for_a_line_and_is_sent(screen: &Screen, signal: &str) {
    let mark = mark();
    screen.line(&format!(
        "spawner run -- sh -c 'echo ready; read line; echo got $line' {mark}; echo status $?"
    ));
    screen.shows("ready");
    send(signal, &mark);
}

/// Sends the program with this mark a signal.
#[track_caller]
fn send(signal: &str, mark: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &program_of(mark)]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn the_program_can_be_stopped_and_continued() {
    let screen = Screen::open();
    waits_for_a_line_and_is_sent(&screen, "TSTP");
    screen.shows("[1]+  Stopped");
    screen.is_restored();
    screen.line("clear; fg");
    screen.shows(env!("CARGO_BIN_EXE_spawner"));
    screen.line("word");
    screen.shows("got word");
    screen.is_restored();
}

/// Nobody stopped it, so nobody has set another mode.
#[test]
fn to_continue_what_was_not_stopped_changes_nothing() {
    let screen = Screen::open();
    waits_for_a_line_and_is_sent(&screen, "CONT");
    screen.line("word");
    screen.shows("got word");
    screen.shows("status 0");
    screen.is_restored();
}

#[test]
fn who_was_stopped_unforeseen_has_the_terminal_again_when_it_is_in_front() {
    let screen = Screen::open();
    waits_for_a_line_and_is_sent(&screen, "STOP");
    screen.shows("[1]+  Stopped");
    screen.line("clear; fg");
    screen.shows(env!("CARGO_BIN_EXE_spawner"));
    // Then the echo is the task's own.
    let raw = || {
        let stty = format!("stty -F {} -a", screen.tmux(&["display-message", "-p", "#{pane_tty}"])?.trim());
        let told = Command::new("sh").args(["-c", &stty]).output().unwrap();
        Some(()).filter(|()| String::from_utf8_lossy(&told.stdout).contains("-icanon"))
    };
    assert!(eventually(raw).is_some(), "the terminal is not raw again:\n{}", screen.text());
    screen.line("word");
    screen.shows("got word");
    assert_eq!(screen.text().lines().filter(|line| line.starts_with("word")).count(), 1, "{}", screen.text());
    screen.is_restored();
}

#[test]
fn a_background_job_leaves_the_terminal_alone_until_it_is_in_front() {
    let screen = Screen::open();
    screen.line("spawner run -- sh -c 'read line; echo got $line' & sleep 0.1; clear; echo typed");
    screen.shows("typed");
    screen.line("echo to the shell");
    screen.shows("to the shell");
    screen.line("fg");
    screen.line("word");
    screen.shows("got word");
    screen.is_restored();
}

#[test]
fn a_terminal_that_goes_away_ends_the_task() {
    for background in ["", " &"] {
        let screen = Screen::open();
        let mark = mark();
        screen.line(&format!(
            "spawner run -- sh -c 'echo; echo ready; read line; sleep {mark}' {mark}{background}"
        ));
        screen.shows("ready");
        drop(screen);
        let gone = || Some(()).filter(|()| alive(&mark).is_empty());
        assert!(eventually(gone).is_some(), "it lives on without its terminal{background}");
    }
}

#[test]
fn a_pager_behind_a_pipe_keeps_its_keys() {
    let screen = Screen::open();
    screen.line("spawner run -- seq 200 | less; echo status $?");
    screen.shows(":");
    screen.keys(&["G"]);
    screen.shows("200");
    screen.keys(&["q"]);
    screen.shows("status 0");
    screen.is_restored();
}

#[test]
fn the_last_words_are_shown() {
    let screen = Screen::open();
    screen.line("clear; spawner run -- sh -c 'seq 5000; echo last words'; echo status $?");
    screen.shows("status 0");
    let text = screen.text();
    let lines: Vec<_> = text.lines().collect();
    let at = lines.iter().position(|line| *line == "status 0").unwrap();
    assert_eq!(lines[at - 2..at], ["5000", "last words"], "{text}");
}

#[test]
fn a_terminal_whose_session_is_of_another_pid_namespace_does_no_harm() {
    let screen = Screen::open();
    let inside = "unshare --user --map-root-user --pid --fork --mount-proc";
    let bin = env!("CARGO_BIN_EXE_spawner");
    // Without a group that has a number here, the task has the terminal itself.
    screen.line(&format!("clear; {inside} {bin} run -- sh -c 'test -t 0 && tty; exit 7'; echo status $?"));
    screen.shows("/dev/pts/");
    screen.shows("status 7");
    // A shell in there makes such groups, though nobody there can name the session.
    screen.line(&format!("{inside} bash --norc --noprofile"));
    screen.line(&format!("PS1='inner$ '; clear; {bin} run -- sh -c 'stty size; exit 8'; echo status $?"));
    screen.shows("24 80");
    screen.shows("status 8");
    screen.is_restored();
}
