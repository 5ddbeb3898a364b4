//! Hosts to which there is no way: each is told apart, in time, with what would help, and leaves nothing.

mod common;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::lab::{at_once, block, here_is_clean, jitter, sh, spawner};
use common::link::{Link, Loss, can_be_made};
use common::sshd::{Setup, Sshd};
use rustix::process::{Signal, kill_process};
use spawner_core::{Error, ErrorKind, Spawner as _};
use spawner_remote::RemoteConfig;

/// Starts a task in vain, and asks in vain whether the host answers: the same error, in time, and nothing is left.
fn refused(sshd: &Sshd, config: &RemoteConfig) -> Error {
    let error = block(async {
        let spawner = spawner(config.clone());
        let began = Instant::now();
        let error = spawner.spawn_task(&sh(":")).await.unwrap_err();
        let limit = Duration::from_secs(u64::from(config.connect_timeout) + 1) + jitter();
        assert!(began.elapsed() < limit, "{:?}, not {limit:?}: {error}", began.elapsed());
        let checked = spawner.check().await.unwrap_err();
        assert_eq!(checked.kind(), error.kind(), "{checked}");
        spawner.shutdown().await.unwrap();
        error
    });
    println!("{error}");
    assert_eq!((error.operation(), error.subject()), ("connect to", config.destination.as_str()));
    assert!(error.cleanup().is_none(), "{error:?}");
    here_is_clean(sshd, &[]);
    error
}

fn says(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    let told = error.to_string();
    for word in words {
        assert!(told.contains(word), "no `{word}` in: {told}");
    }
}

#[test]
fn a_key_that_is_unknown_or_changed_is_refused_until_it_is_added_as_the_error_says() {
    let sshd = Sshd::start("");
    let (empty, config) = (sshd.at("empty"), sshd.config("tester"));
    std::fs::write(&empty, "").unwrap();
    let unknown = RemoteConfig { known_hosts_file: Some(empty.clone()), ..config.clone() };
    let error = refused(&sshd, &unknown);
    let port = config.port.unwrap();
    let scan = format!("ssh-keyscan -p {port} 127.0.0.1 >> {}", empty.display());
    says(&error, ErrorKind::Denied, &["the key of the host is not known", "compare", &scan]);
    assert!(!error.is_retryable());
    assert_eq!(std::fs::read(&empty).unwrap(), b"", "nobody but a person adds keys");

    let other = std::fs::read_to_string(sshd.at("user.pub")).unwrap();
    let changed = sshd.at("changed");
    std::fs::write(&changed, format!("[127.0.0.1]:{port} {other}")).unwrap();
    let error = refused(&sshd, &RemoteConfig { known_hosts_file: Some(changed.clone()), ..config.clone() });
    let remove = format!("ssh-keygen -f \"{}\" -R \"[127.0.0.1]:{port}\"", changed.display());
    says(&error, ErrorKind::Denied, &["another key than the one that is known", &remove, "ssh-keyscan"]);

    // What is typed as it stands there helps.
    for (file, typed) in [(&empty, scan.clone()), (&changed, format!("{remove} && {scan}"))] {
        let typed = typed.replace(&empty.display().to_string(), &file.display().to_string());
        let done =
            std::process::Command::new("/bin/sh").args(["-c", &format!("{typed} 2>/dev/null")]).status();
        assert!(done.unwrap().success(), "{typed}");
        block(async {
            let spawner = spawner(RemoteConfig { known_hosts_file: Some(file.clone()), ..config.clone() });
            spawner.check().await.unwrap();
            spawner.shutdown().await.unwrap();
        });
    }
}

#[test]
fn a_key_that_does_not_open_and_an_account_that_is_closed_are_told_apart() {
    let sshd = Sshd::start("");
    let wrong = RemoteConfig { identity_file: Some(sshd.at("host")), ..sshd.config("tester") };
    says(&refused(&sshd, &wrong), ErrorKind::Denied, &["Permission denied", "identity_file"]);
    let missing = RemoteConfig { identity_file: Some(sshd.at("nothing")), ..sshd.config("tester") };
    says(&refused(&sshd, &missing), ErrorKind::Denied, &["Permission denied", "identity_file"]);
    let nobody = RemoteConfig { destination: "no-such-account@127.0.0.1".into(), ..sshd.config("tester") };
    says(&refused(&sshd, &nobody), ErrorKind::Denied, &["Permission denied"]);
    let closed = Sshd::start("ForceCommand echo 'This account is currently not available.'; exit 1");
    let error = refused(&closed, &closed.config("tester"));
    says(&error, ErrorKind::Unavailable, &["This account is currently not available"]);
}

#[test]
fn nobody_there_is_told_apart_from_no_such_name() {
    let sshd = Sshd::start("");
    // Bound and never listening: refused, and nobody else's.
    let closed =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&closed, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address: std::net::SocketAddr = rustix::net::getsockname(&closed).unwrap().try_into().unwrap();
    let nobody = RemoteConfig { port: Some(address.port()), ..sshd.config("tester") };
    let error = refused(&sshd, &nobody);
    says(&error, ErrorKind::Unavailable, &["Connection refused", &address.port().to_string()]);
    assert!(error.is_retryable());
    let nameless =
        RemoteConfig { destination: "tester@no-such-host.invalid".into(), ..sshd.config("tester") };
    says(
        &refused(&sshd, &nameless),
        ErrorKind::Unavailable,
        &["Could not resolve hostname", "`destination`"],
    );
    let jump =
        RemoteConfig { jump: Some(format!("nobody@127.0.0.1:{}", address.port())), ..sshd.config("tester") };
    says(&refused(&sshd, &jump), ErrorKind::Unavailable, &["Connection refused", "nobody@127.0.0.1"]);
}

/// How a host is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silent {
    /// The connection is taken, and nothing is said.
    Mute,
    /// The server is stopped.
    Stopped,
    /// The link is cut.
    Cut,
    /// The account's own shell waits for its input, before anything of ours runs.
    Reading,
}

#[test]
fn a_silent_host_is_given_up_in_time() {
    let mut ways = vec![Silent::Mute, Silent::Stopped, Silent::Reading];
    if can_be_made() {
        ways.push(Silent::Cut);
    }
    at_once(ways, |silent| {
        let reading = "ForceCommand cat >/dev/null; exec sh -c \"$SSH_ORIGINAL_COMMAND\"";
        let settings = if silent == Silent::Reading { reading.to_owned() } else { String::new() };
        let link = (silent == Silent::Cut).then(Link::up);
        let own = link.is_none().then(|| Sshd::raise(&Setup { settings, ..Setup::default() }));
        let sshd = link.as_ref().map(Link::sshd).or(own.as_ref()).unwrap();
        let mute = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut config = RemoteConfig { connect_timeout: 2, ..sshd.config("tester") };
        match silent {
            Silent::Mute => config.port = Some(mute.local_addr().unwrap().port()),
            Silent::Stopped => kill_process(sshd.pid(), Signal::STOP).unwrap(),
            Silent::Cut => link.as_ref().unwrap().lose(Loss::All),
            Silent::Reading => {}
        }
        let error = refused(sshd, &config);
        if silent == Silent::Stopped {
            kill_process(sshd.pid(), Signal::CONT).unwrap();
        }
        let word = if silent == Silent::Reading { "shell" } else { "" };
        says(&error, ErrorKind::TimedOut, &[word]);
        assert!(error.is_retryable(), "{error}");
        common::until("nothing is left there", common::PATIENCE, || sshd.far().is_empty());
    });
}
