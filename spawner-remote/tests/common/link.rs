//! A far end in a network namespace of its own, whose link can be cut and can lose packets.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::sshd::{Setup, Sshd};
use super::until;

/// What begins the names of all of them; the process that made one comes next.
const NAME: &str = "spawnertest";

/// A namespace, and the server in it. Dropping it removes both; what a killed test left is removed by the next.
pub struct Link {
    name: String,
    near: String,
    sshd: Option<Sshd>,
}

/// Which packets are lost, as the far end has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All, both ways.
    All,
    /// All that the far end sends.
    Answers,
    /// One of five, both ways.
    Fifth,
}

fn run(words: &[&str]) -> Result<(), String> {
    let said = Command::new(words[0]).args(&words[1..]).output();
    let said =
        said.unwrap_or_else(|error| panic!("{}: {error}: apt-get install iproute2 iptables", words[0]));
    if said.status.success() {
        return Ok(());
    }
    Err(format!("{words:?}: {}", String::from_utf8_lossy(&said.stderr)))
}

/// Whether this host allows it at all; prints why not. Every other failure is one of the test.
pub fn can_be_made() -> bool {
    static WHY_NOT: OnceLock<Option<String>> = OnceLock::new();
    let why_not = WHY_NOT.get_or_init(|| {
        if !rustix::process::geteuid().is_root() {
            return Some("only root can".to_owned());
        }
        let name = format!("{NAME}-{}-try", std::process::id());
        let made = run(&["ip", "netns", "add", &name]).and_then(|()| run(&["ip", "netns", "del", &name]));
        made.err().inspect(|why| assert!(why.contains("not permitted"), "{why}"))
    });
    if let Some(why) = why_not {
        eprintln!("SKIPPED: no network namespace can be made here: {why}");
    }
    why_not.is_none()
}

impl Link {
    pub fn up() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_those_of_the_dead();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{NAME}-{}-{count}", std::process::id());
        // Four addresses for each, none of which any other test process that lives has.
        let net = (std::process::id() << 4 | count & 15) << 2 & 0x00ff_fffc;
        let [_, a, b, c] = net.to_be_bytes();
        let (near, far) = (format!("10.{a}.{b}.{}", c + 1), format!("10.{a}.{b}.{}", c + 2));
        let ends = [format!("spn{:x}", net >> 2), format!("spf{:x}", net >> 2)];
        let mut link = Self { name: name.clone(), near: ends[0].clone(), sshd: None };
        for words in [
            &["ip", "netns", "add", &name][..],
            &["ip", "link", "add", &ends[0], "type", "veth", "peer", "name", &ends[1], "netns", &name],
            &["ip", "address", "add", &format!("{near}/30"), "dev", &ends[0]],
            &["ip", "link", "set", &ends[0], "up"],
            &["ip", "-n", &name, "address", "add", &format!("{far}/30"), "dev", &ends[1]],
            &["ip", "-n", &name, "link", "set", &ends[1], "up"],
            &["ip", "-n", &name, "link", "set", "lo", "up"],
        ] {
            run(words).unwrap();
        }
        // Not by `ip netns exec`, which hides the control groups.
        let under = vec!["nsenter".to_owned(), format!("--net=/run/netns/{name}")];
        link.sshd = Some(Sshd::raise(&Setup { address: far, under, ..Setup::default() }));
        link
    }

    pub fn sshd(&self) -> &Sshd {
        self.sshd.as_ref().unwrap()
    }

    /// From now on these are lost.
    pub fn lose(&self, loss: Loss) {
        let both = ["INPUT", "OUTPUT"];
        let chains = if loss == Loss::Answers { &both[1..] } else { &both[..] };
        for chain in chains {
            let mut words = vec!["ip", "netns", "exec", &self.name, "iptables", "-w", "-A", chain];
            if loss == Loss::Fifth {
                words.extend(["-m", "statistic", "--mode", "random", "--probability", "0.2"]);
            }
            words.extend(["-j", "DROP"]);
            run(&words).unwrap();
        }
    }

    /// Nothing is lost any more.
    pub fn mend(&self) {
        run(&["ip", "netns", "exec", &self.name, "iptables", "-w", "-F"]).unwrap();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.sshd = None;
        remove(&self.name, Some(&self.near));
    }
}

/// Whoever served connections over a link that is cut would stay for a long time.
fn remove(name: &str, near: Option<&str>) {
    let within = || {
        let said = Command::new("ip").args(["netns", "pids", name]).output().unwrap().stdout;
        let pids: Vec<i32> =
            String::from_utf8_lossy(&said).lines().filter_map(|line| line.trim().parse().ok()).collect();
        pids
    };
    let empty = || {
        for pid in within().into_iter().filter_map(rustix::process::Pid::from_raw) {
            let ended = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            if let Err(error) = ended
                && error != rustix::io::Errno::SRCH
            {
                eprintln!("a process of {name}: {error}");
            }
        }
        within().is_empty()
    };
    if std::thread::panicking() {
        // A second panic would keep the rest from being removed.
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while !empty() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    } else {
        until("nobody is left in the namespace", Duration::from_secs(5), empty);
    }
    let words = near.map(|near| ["ip", "link", "del", near]);
    let gone = words.map_or(Ok(()), |words| run(&words)).and(run(&["ip", "netns", "del", name]));
    if let Err(error) = gone {
        eprintln!("a namespace stays: {error}");
        assert!(std::thread::panicking(), "{error}");
    }
}

/// What tests left that were killed. Their ends of the links go with the namespaces.
fn remove_those_of_the_dead() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let said = Command::new("ip").args(["netns", "list"]).output().unwrap().stdout;
        for name in String::from_utf8_lossy(&said).lines().filter_map(|line| line.split(' ').next()) {
            let of = name.strip_prefix(NAME).and_then(|rest| rest.split('-').nth(1)?.parse().ok());
            if of.is_some_and(|pid: u32| !std::path::Path::new(&format!("/proc/{pid}")).exists()) {
                remove(name, None);
            }
        }
    });
}
