//! Hosts that lack something, or have it otherwise: a server in a mount namespace of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::sshd::{Setup, Sshd};

/// What is mounted before the server starts, by a script that has `$F`, a folder for what it needs; everything is private
/// to the server and goes with it.
pub struct Place {
    _folder: tempfile::TempDir,
    sshd: Sshd,
}

impl std::ops::Deref for Place {
    type Target = Sshd;

    fn deref(&self) -> &Sshd {
        &self.sshd
    }
}

impl Place {
    pub fn with(script: &str, setup: Setup) -> Self {
        Self::under(&["unshare", "--mount"], script, setup)
    }

    /// With other words in front.
    pub fn under(words: &[&str], script: &str, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let script = format!("F='{}'\n{script}\nexec \"$@\"", folder.path().display());
        let words = words.iter().copied().chain(["sh", "-euc", &script, "sh"]);
        let under = words.map(str::to_owned).collect();
        Self { _folder: folder, sshd: Sshd::raise(&Setup { under, ..setup }) }
    }

    /// Where the account `tester` has another shell, and this `.bashrc`.
    pub fn with_shell(shell: &str, bashrc: &str) -> Self {
        assert!(PathBuf::from(shell).exists(), "{shell}: apt-get install fish tcsh");
        let script = format!(
            "sed 's|^\\(tester:.*:\\)[^:]*$|\\1{shell}|' /etc/passwd >$F/passwd\n\
             mkdir $F/home; cat >$F/home/.bashrc <<'END'\n{bashrc}\nEND\n\
             chown -R tester: $F/home; mount --bind $F/passwd /etc/passwd; mount --bind $F/home /home/tester"
        );
        Self::with(&script, Setup::default())
    }
}
