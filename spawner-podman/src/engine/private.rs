//! A `podman system service` of our own, on a socket in a folder that only this user may enter.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use spawner_core::{Error, ErrorKind, ProcessIdentity, Result};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// How long it may take to answer at first; its storage may have to be set up.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long it is given to end by itself, before it is killed.
const GRACE: Duration = Duration::from_secs(1);
/// It ends itself when nobody has been connected for so long, should everybody be dead who would end it.
const IDLE_SECONDS: u32 = 60;
/// How often it is looked whether it is there yet, or gone.
const PAUSE: Duration = Duration::from_millis(5);

/// What decides where the engine keeps its containers. A record holds it, so that whoever comes later asks an
/// engine that can know them.
const SETTINGS: [&str; 6] = [
    "HOME",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
];
/// Beside them: whose storage it is.
const USER: &str = "uid";

/// How the names of folders of private engines begin; the pid and the start time of the harness follow.
pub(crate) const FOLDER: &str = "spawner-engine-";

/// The engine and the folder that it lives in.
#[derive(Debug)]
pub(super) struct Private {
    folder: PathBuf,
    program: PathBuf,
    settings: BTreeMap<String, String>,
    service: Mutex<Option<Child>>,
}

impl Private {
    /// Makes the folder; the engine is started by the first request.
    pub(super) fn new(program: &Path, settings: BTreeMap<String, String>) -> Result<Self> {
        // No two have the same name: one that is removed twice must not be another.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let user = rustix::process::geteuid().as_raw().to_string();
        if let Some(other) = settings.get(USER).filter(|&other| *other != user) {
            return Err(Error::new(ErrorKind::Denied, "start the private engine of user", other)
                .because(format!("this is user {user}, whose podman has other containers"))
                .hint("do the same as that user"));
        }
        // The shortest, since the path of a socket has an end (unix(7)).
        let base = settings.get("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
        let base = base.unwrap_or_else(std::env::temp_dir);
        let (own, count) = (ProcessIdentity::own(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = base.join(format!("spawner-engine-{}-{}-{count}", own.pid, own.start_time));
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
            Error::io("make the folder of the private engine", folder.display().to_string(), error)
        })?;
        Ok(Self { folder, program: program.to_owned(), settings, service: Mutex::new(None) })
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("podman.sock")
    }

    pub(super) fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Starts it where it does not run. Where this is dropped half way, the next call goes on with what is there.
    pub(super) async fn start(&self) -> io::Result<()> {
        let mut service = self.service.lock().await;
        let until = Instant::now() + PATIENCE;
        let mut launched = false;
        loop {
            if UnixStream::connect(self.socket()).await.is_ok() {
                return Ok(());
            }
            match service.as_mut().map(Child::try_wait).transpose()? {
                Some(None) => {}
                Some(Some(status)) if launched => {
                    *service = None;
                    return Err(io::Error::other(format!(
                        "{} system service ended: {status}{}",
                        self.program.display(),
                        self.last_words()
                    )));
                }
                // None yet, or one that ended since: it was idle, or somebody killed it.
                Some(Some(_)) | None => {
                    *service = Some(self.launch()?);
                    launched = true;
                }
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!(
                    "{} system service does not listen{}",
                    self.program.display(),
                    self.last_words()
                )));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn launch(&self) -> io::Result<Child> {
        match fs::remove_file(self.socket()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let log = fs::File::create(self.folder.join("log"))?;
        let mut command = Command::new(&self.program);
        // It must not ask another engine in its turn.
        command.env_remove("CONTAINER_HOST").env_remove("CONTAINER_CONNECTION");
        for name in SETTINGS {
            command.env_remove(name);
        }
        command
            .envs(self.settings.iter().filter(|(name, _)| *name != USER))
            .args(["system", "service", &format!("--time={IDLE_SECONDS}")])
            .arg(format!("unix://{}", self.socket().display()))
            // conmon leaves a file `oom` in the engine's working directory where a task ran out of memory.
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C of the harness's terminal is not for it.
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(|error| {
            let hint = if error.kind() == io::ErrorKind::NotFound { NOT_INSTALLED } else { "" };
            io::Error::other(format!("cannot start {}: {error}{hint}", self.program.display()))
        })?;
        let identity = child.id().and_then(ProcessIdentity::of);
        fs::write(note(&self.folder), serde_json::to_vec(&identity)?)?;
        tracing::debug!(folder = %self.folder.display(), "started a private podman system service");
        Ok(child)
    }

    /// Ends it and removes its folder. To be called when no request is under way.
    pub(super) async fn end(&self) -> Result<()> {
        let mut service = self.service.lock().await;
        let failed = |error| Error::io("end the private engine in", self.folder.display().to_string(), error);
        if let Some(mut child) = service.take() {
            if let Some(pid) = child.id() {
                // It is an unreaped child of ours, so the pid is still its own.
                let pid = Pid::from_raw(pid.cast_signed()).expect("a child has a pid");
                match rustix::process::kill_process(pid, Signal::TERM) {
                    Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                    Err(errno) => return Err(failed(errno.into())),
                }
            }
            if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                child.kill().await.map_err(failed)?;
            }
        }
        remove_folder(&self.folder).map_err(failed)
    }

    fn last_words(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.trim_end().lines().last().map(|line| format!(": {line}")).unwrap_or_default()
    }
}

const NOT_INSTALLED: &str = "; install podman (`apt-get install podman`), or name an engine that runs: the key `socket`, \
     or CONTAINER_HOST";

impl Drop for Private {
    fn drop(&mut self) {
        // Dropping the child kills it, and the runtime reaps it.
        if let Err(error) = remove_folder(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "the folder of a private engine is left");
        }
    }
}

/// The variables of this process that decide where podman keeps its containers, and whose they are.
pub(super) fn settings() -> BTreeMap<String, String> {
    let user = rustix::process::geteuid().as_raw().to_string();
    let set = SETTINGS.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    set.chain([(USER.to_owned(), user)]).collect()
}

/// Ends what a harness that is dead started in this folder, and removes the folder. Blocks for about a second at the
/// most. Fine where there is nothing any more.
pub(crate) fn end_left(folder: &Path) -> io::Result<()> {
    let identity = match fs::read(note(folder)) {
        Ok(text) => serde_json::from_slice::<Option<ProcessIdentity>>(&text).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(identity) = identity {
        signal(&identity, Signal::TERM)?;
        // A stopped one hears of it only so.
        signal(&identity, Signal::CONT)?;
        if !is_gone(&identity, Instant::now() + GRACE) {
            signal(&identity, Signal::KILL)?;
            if !is_gone(&identity, Instant::now() + GRACE) {
                return Err(io::Error::other(format!("process {identity} does not end")));
            }
        }
    }
    remove_folder(folder)
}

fn signal(identity: &ProcessIdentity, signal: Signal) -> io::Result<()> {
    let pid = Pid::from_raw(identity.pid.cast_signed()).ok_or(io::ErrorKind::InvalidData)?;
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    // Looked at after it is held: what is held now is that process or another one for good.
    if ProcessIdentity::of(identity.pid).as_ref() != Some(identity) {
        return Ok(());
    }
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn is_gone(identity: &ProcessIdentity, until: Instant) -> bool {
    while identity.is_alive() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

fn note(folder: &Path) -> PathBuf {
    folder.join("process")
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
