//! What the ssh program complains of, told apart.

use spawner_core::{Error, ErrorKind};

use super::address::Address;

/// Whether the server allows no more sessions on a connection.
pub(crate) fn is_refused(said: &str) -> bool {
    said.contains("Session open refused by peer")
        || said.contains("open failed: administratively prohibited")
        || said.contains("open failed: connect failed")
}

/// Why there is no connection, from what the ssh program complained of, and what the far end said in place of ours.
pub(crate) fn explain(address: &Address, said: &str, noise: &str) -> Error {
    let has = |text: &str| said.contains(text);
    let error = |kind| Error::new(kind, "connect to", address.destination.clone());
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        let remove = said.lines().map(str::trim).find(|line| line.starts_with("ssh-keygen "));
        return error(ErrorKind::Denied).because("the host has another key than the one that is known").hint(
            format!(
                "where it was given a new one, remove the old one: {}; then compare the new one, and add it: {}",
                remove.unwrap_or("ssh-keygen -R HOST"),
                address.scan(named(said))
            ),
        );
    }
    if has("Host key verification failed") || has("host key is known for") {
        return error(ErrorKind::Denied).because("the key of the host is not known").hint(format!(
            "compare it with what the host's administrator says, then add it: {}",
            address.scan(named(said))
        ));
    }
    let why = last(said).or_else(|| last(noise)).unwrap_or("the ssh program said nothing");
    let why = why.trim_end_matches('.').to_owned();
    if has("Permission denied") || has("Too many authentication failures") {
        return error(ErrorKind::Denied)
            .because(why)
            .hint("nobody is asked for a password: give `identity_file`, or load the key into ssh-agent");
    }
    if has("Could not resolve hostname") {
        return error(ErrorKind::Unavailable).because(why).hint("is `destination` spelled right?");
    }
    let timed = has("timed out") || has("Timeout");
    let error = error(if timed { ErrorKind::TimedOut } else { ErrorKind::Unavailable }).because(why);
    match address.jump() {
        Some(jump) => error.hint(format!("the way goes through {jump}")),
        None => error,
    }
}

/// The host took the connection, and nothing of ours answered.
pub(crate) fn mute(address: &Address, noise: &str) -> Error {
    let said = last(noise).map(|line| format!("; it said: {line}")).unwrap_or_default();
    Error::new(ErrorKind::TimedOut, "connect to", address.destination.clone())
        .because(format!("it did not answer in time{said}"))
        .hint("does the account's shell wait for input where it starts? else raise `connect_timeout`")
}

/// The last line that says something. That a host behind another was not reached is said again, without a name.
fn last(said: &str) -> Option<&str> {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('@'));
    let echo = |line: &str| line.contains("UNKNOWN port") || line.starts_with("kex_exchange_identification");
    lines().rfind(|line| !echo(line)).or_else(|| lines().next_back())
}

/// The name under which ssh looked for the key, and the port where that is not the usual one.
fn named(said: &str) -> Option<(&str, Option<&str>)> {
    let (_, rest) = said.split_once("ost key for ").or_else(|| said.split_once("host key is known for "))?;
    let name = rest.split_whitespace().next()?;
    Some(match name.strip_prefix('[').and_then(|name| name.split_once("]:")) {
        Some((host, port)) => (host, Some(port)),
        None => (name, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RemoteConfig;

    #[test]
    fn what_ssh_says_becomes_an_error_that_helps() {
        let address = Address::of(&RemoteConfig { port: Some(2222), ..RemoteConfig::at("me@lab") }).unwrap();
        for (said, kind, help) in [
            ("Host key verification failed.\r\n", ErrorKind::Denied, "ssh-keyscan -p 2222 lab >> "),
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n", ErrorKind::Denied, "ssh-keygen -R"),
            ("me@lab: Permission denied (publickey).\n", ErrorKind::Denied, "identity_file"),
            ("ssh: Could not resolve hostname lab: Name\n", ErrorKind::Unavailable, "spelled"),
        ] {
            let error = explain(&address, said, "");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.help().is_some_and(|given| given.contains(help)), "{error}");
        }
        assert!(explain(&address, "connect to host lab: Connection timed out", "").is_retryable());
    }

    #[test]
    fn a_key_is_added_under_the_name_that_ssh_looked_for() {
        // An alias of the user's configuration.
        let address = Address::of(&RemoteConfig::at("lab")).unwrap();
        for (said, scan) in [
            (
                "No ED25519 host key is known for [lab.example]:2200 and you have requested strict checking.",
                "ssh-keyscan -p 2200 lab.example >> ",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key for lab.example has changed and",
                "ssh-keyscan lab.example >> ",
            ),
            ("Host key verification failed.", "ssh-keyscan lab >> "),
        ] {
            assert!(explain(&address, said, "").to_string().contains(scan), "{said}");
        }
    }
}
