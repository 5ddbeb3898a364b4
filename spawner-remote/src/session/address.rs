//! Where a host is, and how a person gets there.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spawner_core::shell::typed;
use spawner_core::{Error, ErrorKind, Result};

use crate::config::RemoteConfig;

/// What names a host and the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) destination: String,
    port: Option<u16>,
    identity_file: Option<PathBuf>,
    known_hosts_file: Option<PathBuf>,
    jump: Option<String>,
}

impl Address {
    pub(crate) fn of(config: &RemoteConfig) -> Result<Self> {
        let wrong = |what: &'static str| {
            Err(Error::new(ErrorKind::Config, "use the destination", format!("`{}`", config.destination))
                .because(what))
        };
        if config.destination.starts_with('-') || config.destination.contains(char::is_whitespace) {
            return wrong("it is no host; write `user@host`, or a name from your ssh configuration");
        }
        let absolute = |path: &Option<PathBuf>| {
            path.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        };
        Ok(Self {
            destination: config.destination.clone(),
            port: config.port,
            identity_file: absolute(&config.identity_file),
            known_hosts_file: absolute(&config.known_hosts_file),
            jump: config.jump.clone(),
        })
    }

    /// Whether it leads anywhere: without a destination, tasks can be recovered, whose records name their hosts.
    pub(super) fn exists(&self) -> Result<()> {
        if self.destination.is_empty() {
            return Err(Error::new(ErrorKind::Config, "connect to", "the host")
                .because("there is no destination")
                .hint("write `destination = \"user@host\"` into the backend's configuration"));
        }
        Ok(())
    }

    /// What leads there, for the ssh program.
    fn way(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        if let Some(port) = self.port {
            args.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(file) = &self.identity_file {
            args.extend(["-i".into(), file.into(), "-o".into(), "IdentitiesOnly=yes".into()]);
        }
        if let Some(file) = &self.known_hosts_file {
            let mut option = OsString::from("UserKnownHostsFile=");
            option.push(file);
            args.extend(["-o".into(), option]);
        }
        if let Some(jump) = &self.jump {
            args.extend(["-J".into(), jump.into()]);
        }
        args
    }

    /// The options of a connection of ours: nobody is asked for anything, and a silent host is noticed.
    pub(crate) fn args(&self, timeout: Duration, lease: Duration) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["-T".into(), "-e".into(), "none".into(), "-x".into()];
        let interval = (lease.as_secs() / 3).max(1);
        for option in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "ClearAllForwardings=yes",
            "ForwardAgent=no",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            "ControlPersist=no",
            "ServerAliveCountMax=3",
            "ForkAfterAuthentication=no",
            "StdinNull=no",
            &format!("ServerAliveInterval={interval}"),
            &format!("ConnectTimeout={}", timeout.as_secs().max(1)),
        ] {
            // Older programs do not know all of them.
            if option.starts_with("ForkAfter") || option.starts_with("StdinNull") {
                args.extend(["-o".into(), "IgnoreUnknown=ForkAfterAuthentication,StdinNull".into()]);
            }
            args.extend(["-o".into(), option.into()]);
        }
        args.extend(self.way());
        args
    }

    /// What a person types to run this there.
    pub(crate) fn by_hand(&self, words: &str) -> String {
        let mut line = "ssh".to_owned();
        for word in self.way() {
            line.push(' ');
            line.push_str(&typed(&word.to_string_lossy()));
        }
        format!("{line} {} {}", typed(&self.destination), typed(words))
    }

    /// What tells it from other hosts, for people.
    pub(crate) fn name(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.destination),
            None => self.destination.clone(),
        }
    }

    /// What adds its key to those that are known; for the name and port that ssh looked for, where that is known.
    pub(crate) fn scan(&self, named: Option<(&str, Option<&str>)>) -> String {
        let own = self.port.map(|port| port.to_string());
        let (host, port) = named
            .unwrap_or_else(|| (self.destination.rsplit('@').next().unwrap_or_default(), own.as_deref()));
        let port = port.map(|port| format!("-p {port} ")).unwrap_or_default();
        let file = self.known_hosts_file.as_ref();
        let file =
            file.map_or_else(|| "~/.ssh/known_hosts".to_owned(), |file| typed(&file.to_string_lossy()));
        format!("ssh-keyscan {port}{host} >> {file}")
    }

    pub(crate) fn jump(&self) -> Option<&str> {
        self.jump.as_deref()
    }
}
