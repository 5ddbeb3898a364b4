//! A private sshd with its own port and keys, for root and for an ordinary account.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{PATIENCE, Way, end, until};

pub struct Sshd {
    folder: tempfile::TempDir,
    listener: Child,
    setup: Setup,
    address: String,
    port: u16,
    masters: Vec<Child>,
    kept: Vec<tempfile::TempDir>,
}

/// How a server is brought up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Lines for its configuration.
    pub settings: String,
    /// What every session has in its environment besides, as `SetEnv` takes it.
    pub env: String,
    /// How many sessions a connection may have.
    pub sessions: u32,
    /// Where it listens.
    pub address: String,
    /// What executes it: `ip netns exec NAME`, or a script that mounts first.
    pub under: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: String::new(),
            env: String::new(),
            sessions: 300,
            address: "127.0.0.1".into(),
            under: Vec::new(),
        }
    }
}

impl Sshd {
    /// `settings` are lines for its configuration.
    pub fn start(settings: &str) -> Self {
        Self::raise(&Setup { settings: settings.to_owned(), ..Setup::default() })
    }

    /// Started by these words in front of it, which become it.
    pub fn start_by(words: &[&str], settings: &str) -> Self {
        let under = words.iter().map(|&word| word.to_owned()).collect();
        Self::raise(&Setup { settings: settings.to_owned(), under, ..Setup::default() })
    }

    /// With another number of sessions for each connection.
    pub fn start_with_sessions(limit: u32) -> Self {
        Self::raise(&Setup { sessions: limit, ..Setup::default() })
    }

    /// With a folder that it needs.
    pub fn keeping(mut self, folder: tempfile::TempDir) -> Self {
        self.kept.push(folder);
        self
    }

    /// The listener.
    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.listener)
    }

    pub fn raise(setup: &Setup) -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests need root: for other accounts' sessions");
        fs::create_dir_all("/run/sshd").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]).status();
            assert!(made.expect("ssh-keygen: apt-get install openssh-client").success());
        }
        let host = fs::read_to_string(folder.path().join("host.pub")).unwrap();
        let address = setup.address.clone();
        let (listener, port) = std::iter::repeat_with(|| {
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            listen(&folder, setup, port).map(|listener| (listener, port))
        })
        .take(20)
        .find_map(Result::ok)
        .expect("a port that nobody else takes meanwhile");
        fs::write(folder.path().join("known"), format!("[{address}]:{port} {host}")).unwrap();
        let (setup, masters, kept) = (setup.clone(), Vec::new(), Vec::new());
        Self { folder, listener, setup, address, port, masters, kept }
    }

    /// Brings the server up again, at the same place, once its listener was killed.
    pub fn again(mut self, setup: &Setup) -> Self {
        self.listener.wait().unwrap();
        self.setup = setup.clone();
        self.restart();
        self
    }

    /// Ends the listener and all of its connections.
    pub fn kill(&mut self) {
        let connections = self.connections();
        end(&mut self.listener);
        for connection in connections {
            // Some end with the listener.
            if let Err(error) = rustix::process::kill_process(connection, rustix::process::Signal::KILL) {
                assert_eq!(error, rustix::io::Errno::SRCH);
            }
        }
    }

    /// Starts the listener again.
    pub fn restart(&mut self) {
        let mut listener = None;
        until("nobody else has the port", PATIENCE, || {
            listener = listen(&self.folder, &self.setup, self.port).ok();
            listener.is_some()
        });
        self.listener = listener.unwrap();
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// ssh(1), for a connection of its own.
    pub fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.at("known").display()));
        command.arg("-i").arg(self.at("user")).args(["-p", &self.port.to_string()]);
        command
    }

    /// What leads the backend to an account; its journal is in this server's folder.
    pub fn config(&self, account: &str) -> spawner_remote::RemoteConfig {
        spawner_remote::RemoteConfig {
            port: Some(self.port),
            identity_file: Some(self.at("user")),
            known_hosts_file: Some(self.at("known")),
            state_dir: Some(self.at("state")),
            connect_timeout: 60,
            lease: 2,
            ..spawner_remote::RemoteConfig::at(format!("{account}@{}", self.address))
        }
    }

    /// The same by another way to the same server, which begins at this port.
    pub fn config_by(&self, way: u16, account: &str) -> spawner_remote::RemoteConfig {
        let known = self.at(&format!("known-{way}"));
        let key = fs::read_to_string(self.at("host.pub")).unwrap();
        fs::write(&known, format!("[127.0.0.1]:{way} {key}")).unwrap();
        spawner_remote::RemoteConfig {
            port: Some(way),
            known_hosts_file: Some(known),
            connect_timeout: 20,
            ..self.config(account)
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The records that are there now.
    pub fn records(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.at("state")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// The processes of the server that serve connections: below the listener, also those of an ordinary account.
    pub fn connections(&self) -> Vec<rustix::process::Pid> {
        let (mut found, mut todo) = (Vec::new(), vec![self.listener.id()]);
        while let Some(pid) = todo.pop() {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()) {
                let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
                if name.trim().starts_with("sshd") {
                    todo.push(child.cast_unsigned());
                    found.extend(rustix::process::Pid::from_raw(child));
                }
            }
        }
        found
    }

    /// Everything that came of a session, but for what threw its environment away.
    pub fn far(&self) -> Vec<String> {
        let mark = mark(self.port);
        processes(|folder| {
            let environ = fs::read(folder.join("environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        })
    }

    /// The ssh programs here that lead to it by the backend's hand: the sockets of the connections, and who has any of
    /// these or of `known`.
    pub fn clients(&self, known: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
        let key = self.at("user").display().to_string();
        let mut sockets: Vec<_> = known.to_vec();
        let words = |folder: &std::path::Path| {
            let words =
                String::from_utf8_lossy(&fs::read(folder.join("cmdline")).unwrap_or_default()).into_owned();
            words.starts_with("ssh\0").then(|| words.split('\0').map(str::to_owned).collect::<Vec<_>>())
        };
        let masters = processes(|folder| {
            let Some(words) = words(folder).filter(|words| words.contains(&key)) else { return false };
            let socket = words.iter().position(|word| word == "-S").map(|at| PathBuf::from(&words[at + 1]));
            sockets.extend(socket.filter(|socket| socket.is_absolute()));
            true
        });
        let others = processes(|folder| {
            words(folder)
                .is_some_and(|words| sockets.iter().any(|one| words.contains(&one.display().to_string())))
        });
        sockets.sort();
        sockets.dedup();
        (sockets, masters.into_iter().chain(others).collect())
    }

    /// The way to an account, over one connection for all.
    pub fn way(&mut self, account: &str) -> Way {
        let socket = self.at(&format!("mux-{}", spawner_core::TaskId::random()));
        let to = format!("{account}@127.0.0.1");
        let mut master = self.ssh();
        master.args(["-M", "-N", "-S"]).arg(&socket).arg(&to).stdin(Stdio::null());
        self.masters.push(master.spawn().unwrap());
        let index = self.masters.len() - 1;
        until("a connection", PATIENCE, || {
            assert!(self.masters[index].try_wait().unwrap().is_none(), "{}", self.log());
            socket.exists()
        });
        Box::new(move |text| {
            let mut command = Command::new("ssh");
            command.args(["-F", "none", "-S"]).arg(&socket).args(["-o", "BatchMode=yes"]).arg(&to).arg(text);
            command
        })
    }

    /// Cuts the last connection.
    pub fn cut(&mut self) {
        let mut master = self.masters.pop().unwrap();
        master.kill().unwrap();
        master.wait().unwrap();
    }
}

/// The processes, by number and name, that are wanted.
fn processes(mut wanted: impl FnMut(&std::path::Path) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let folder = entry.path();
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        if is_process && wanted(&folder) {
            let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
            if !stat.is_empty() && !stat.contains(") Z ") {
                found.push(stat.chars().take(60).collect());
            }
        }
    }
    found
}

/// Its processes can be told by a variable that every session has, and so has all that comes of it. Fails where the port
/// is taken.
fn listen(folder: &tempfile::TempDir, setup: &Setup, port: u16) -> Result<Child, String> {
    let at = |name: &str| folder.path().join(name).display().to_string();
    let Setup { settings, env, sessions, address, under } = setup;
    let mark =
        if settings.contains("SetEnv") { String::new() } else { format!("SetEnv {} {env}", mark(port)) };
    let config = format!(
        "ListenAddress {address}\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
         PidFile none\nPermitRootLogin yes\nMaxSessions {sessions}\nMaxStartups 100\n{mark}\n{settings}\n",
        at("host"),
        at("user.pub"),
    );
    fs::write(folder.path().join("config"), config).unwrap();
    let (log, config) = (at("log"), at("config"));
    let said = fs::read_to_string(&log).unwrap_or_default();
    // What root's own files start in every session would be measured too.
    let home = at("root");
    fs::create_dir_all(&home).unwrap();
    let mount = "mount --bind \"$1\" /root; shift; exec \"$@\"";
    let mut listener = Command::new("unshare")
        .args(["--mount", "sh", "-ec", mount, "sh", &home])
        .args(under)
        .args(["/usr/sbin/sshd", "-D", "-E", &log, "-f", &config])
        .stdin(Stdio::null())
        .spawn()
        .expect("unshare: apt-get install util-linux");
    // Who answers at the port may be another.
    let before = said.len();
    let mut said = String::new();
    until("sshd listens: apt-get install openssh-server", PATIENCE, || {
        said = fs::read_to_string(&log).unwrap_or_default().split_off(before);
        said.contains("Server listening") || listener.try_wait().unwrap().is_some()
    });
    if said.contains("Server listening") {
        return Ok(listener);
    }
    assert!(said.contains("in use"), "sshd does not start: {said}");
    Err(said)
}

/// Ports of servers that are there at one time differ; those of another run are told by this process.
fn mark(port: u16) -> String {
    format!("SPAWNER_TEST_FAR={}-{port}", std::process::id())
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("SPAWNER_TEST_NOISE").is_some() {
            eprintln!("{}", self.log());
        }
        for mut child in self.masters.drain(..) {
            end(&mut child);
        }
        // Those that a test stopped would stay for ever.
        for connection in self.connections() {
            if let Err(error) = rustix::process::kill_process(connection, rustix::process::Signal::KILL)
                && error != rustix::io::Errno::SRCH
            {
                eprintln!("a connection of this test stays: {error}");
            }
        }
        end(&mut self.listener);
    }
}
