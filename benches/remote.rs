//! A task on another machine: spawn, wait and verified destroy of `/bin/true` over a warm connection, beside two of
//! `ssh -S mux HOST /bin/true` in a row, over a warm connection of their own to the same server.
//!
//! Brings up an sshd of its own on the loopback, for the account that runs this.

#[path = "common/elsewhere.rs"]
mod elsewhere;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use elsewhere::Turns;
use spawner::{Input, Output, TaskSpec};
use spawner_remote::{RemoteConfig, RemoteSpawner};

/// How many turns the medians are of.
const TURNS: usize = 100;

fn main() {
    let Some(server) = Server::start() else {
        println!("skipped: sshd, ssh and ssh-keygen are needed: apt-get install openssh-server");
        return;
    };
    let mux = server.mux();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = RemoteConfig {
        port: Some(server.port),
        identity_file: Some(server.at("user")),
        known_hosts_file: Some(server.at("known")),
        state_dir: Some(server.at("state")),
        ..RemoteConfig::at("127.0.0.1")
    };
    let spawner = RemoteSpawner::named("bench", config).expect("a spawner");
    // As the peer: both outputs carried, no input.
    let spec =
        TaskSpec::new(["/bin/true"]).stdin(Input::Null).stdout(Output::Inherit).stderr(Output::Inherit);
    let turns = Turns::of(TURNS, &runtime, (&spawner, &spec), || {
        mux.run();
        mux.run();
    });
    println!("ratio spawn, wait and destroy ÷ ssh -S mux twice: {turns}");
    runtime.block_on(spawner.shutdown()).expect("a clean end");
}

/// An sshd that ends with this.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
    listener: Child,
}

impl Server {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]).status();
            made.ok().filter(std::process::ExitStatus::success)?;
        }
        let port = TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok()?.port();
        let key = std::fs::read_to_string(at("host.pub")).ok()?;
        std::fs::write(at("known"), format!("[127.0.0.1]:{port} {key}")).ok()?;
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PidFile none\nPermitRootLogin yes\nMaxSessions 20\nSetEnv HOME={}\n",
            at("host"),
            at("user.pub"),
            // One of its own: what the account's own files start in each session would be measured too.
            at(""),
        );
        std::fs::write(at("config"), config).ok()?;
        // Its own folder for what it separates off; made by whoever may.
        std::fs::create_dir_all("/run/sshd")
            .or_else(|error| if Path::new("/run/sshd").exists() { Ok(()) } else { Err(error) })
            .ok()?;
        let listener = Command::new("/usr/sbin/sshd")
            .args(["-D", "-E", &at("log"), "-f", &at("config")])
            .stdin(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self { folder, port, listener };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "sshd does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command
            .args(["-F", "none", "-o", "BatchMode=yes", "-p", &self.port.to_string(), "-i"])
            .arg(self.at("user"));
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.at("known").display()));
        command.arg("-S").arg(self.at("mux"));
        command
    }

    fn mux(&self) -> Mux<'_> {
        let master = self.ssh().args(["-M", "-N", "127.0.0.1"]).stdin(Stdio::null()).spawn().expect("ssh");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.at("mux").exists() {
            assert!(Instant::now() < deadline, "ssh does not connect");
            std::thread::sleep(Duration::from_millis(10));
        }
        Mux { server: self, master }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.kill().and_then(|()| self.listener.wait()).expect("the end of sshd");
    }
}

/// The peer's connection.
struct Mux<'a> {
    server: &'a Server,
    master: Child,
}

impl Mux<'_> {
    fn run(&self) {
        let status =
            self.server.ssh().args(["127.0.0.1", "/bin/true"]).stdin(Stdio::null()).status().expect("ssh");
        assert!(status.success());
    }
}

impl Drop for Mux<'_> {
    fn drop(&mut self) {
        self.master.kill().and_then(|()| self.master.wait()).expect("the end of ssh");
    }
}
