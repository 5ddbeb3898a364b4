//! A terminal in which tmux plays the person.

use super::{LIMIT, eventually, folder, other};

/// A terminal with a shell in it, in a tmux server of its own, which ends with this.
pub(crate) struct Screen {
    pub(crate) folder: tempfile::TempDir,
}

impl Screen {
    pub(crate) fn open() -> Self {
        let screen = Self { folder: folder() };
        let started = screen.tmux(&["new-session", "-d", "-x", "80", "-y", "24", "bash --norc --noprofile"]);
        assert!(started.is_some(), "these tests need tmux: install it (`apt-get install tmux`)");
        let bin = env!("CARGO_BIN_EXE_spawner");
        screen.line(&format!(
            "PS1='outer$ ' XDG_CONFIG_HOME=/nonexistent; spawner() {{ {bin} \"$@\"; }}; clear"
        ));
        screen.shows("outer$");
        screen
    }

    pub(crate) fn tmux(&self, arguments: &[&str]) -> Option<String> {
        let mut tmux = other("tmux");
        tmux.arg("-S").arg(self.folder.path().join("socket")).args(["-f", "/dev/null"]).args(arguments);
        tmux.env_remove("TMUX").env("TERM", "xterm");
        let output = tmux.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Types these keys, as tmux names them.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat()).expect("tmux takes the keys");
    }

    /// Types a line.
    pub(crate) fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]).expect("tmux takes the text");
        self.keys(&["Enter"]);
    }

    pub(crate) fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).expect("tmux shows the screen")
    }

    /// Waits until one line of the screen, without blanks at its end, is or begins with this.
    #[track_caller]
    pub(crate) fn shows(&self, start: &str) {
        let there = || self.text().lines().any(|line| line.starts_with(start));
        let shown = eventually(|| Some(()).filter(|()| there())).is_some();
        assert!(shown, "`{start}` was not shown within {LIMIT:?}:\n{}", self.text());
    }

    /// Whether the outer terminal is as a shell's command finds it: with echo, and line by line.
    #[track_caller]
    pub(crate) fn is_restored(&self) {
        self.line("clear; stty -a | tr ' ' '\\n' | grep -xE -e '-?(icanon|echo|isig|opost)[;]?' | sort | xargs; echo end");
        self.shows("end");
        self.shows("echo icanon isig opost");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The outcome is not ours to judge: a test that failed may have ended the server.
        drop(self.tmux(&["kill-server"]));
    }
}
