//! Values as people type them.

use std::time::Duration;

use jiff::SignedDuration;
use spawner::{Capability, Level, Pull};

/// Longer than this is a slip, and near the limits of clocks.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// A duration: `5s`, `1m 30s`, `200ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const GOOD: &str = "write for instance `5s`, `1m 30s` or `200ms`";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text != "0" {
        return Err(format!("it has no unit; write `{text}s` for seconds, or `1m 30s`, or `200ms`"));
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let signed: SignedDuration = text.parse().map_err(|_| format!("it is no duration; {GOOD}"))?;
    let duration = Duration::try_from(signed).map_err(|_| format!("it is negative; {GOOD}"))?;
    if duration > LONGEST { Err(format!("it is longer than 100 years; {GOOD}")) } else { Ok(duration) }
}

/// A number of bytes: `512M`, `2G`, in powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let good = "write a number of bytes, or for instance `512M` or `2G`";
    match parse_size::Config::new().with_binary().parse_size(text) {
        Ok(0) => Err(format!("it must be above zero; {good}")),
        Ok(size) => Ok(size),
        Err(_) => Err(format!("it is no size; {good}")),
    }
}

/// When an image is fetched.
pub(crate) fn pull(text: &str) -> Result<Pull, String> {
    let found = Pull::ALL.into_iter().find(|pull| pull.name() == text);
    found.ok_or_else(|| instead(text, Pull::ALL.into_iter().map(Pull::name)))
}

/// What of the host is shown to a container: `/host:/container`, with `:ro` or `:rw`.
pub(crate) fn volume(text: &str) -> Result<String, String> {
    let good = "write `HOST:CONTAINER` or `HOST:CONTAINER:ro`, such as `/data:/data:ro` or `.:/src`";
    let mut parts = text.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(host), Some(inside), None | Some("ro" | "rw"), None)
            if host.starts_with(['/', '.']) && inside.starts_with('/') =>
        {
            Ok(text.to_owned())
        }
        _ => Err(good.into()),
    }
}

/// A label: `NAME=VALUE`.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, _)) if name.starts_with("spawner.") => {
            Err("labels that begin with `spawner.` are its own, by which it finds the container again".into())
        }
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write `NAME=VALUE`".into()),
    }
}

/// A number of CPUs: `0.5`, `2`.
pub(crate) fn cpus(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(cpus) if cpus.is_finite() && cpus > 0.0 => Ok(cpus),
        _ => Err("it is no number of CPUs above zero; write for instance `0.5` or `2`".into()),
    }
}

/// A capability that is required at a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) capability: Capability,
    pub(crate) level: Level,
}

/// A requirement: `prove-clean=guaranteed`, or `prove-clean` for the same.
pub(crate) fn requirement(text: &str) -> Result<Requirement, String> {
    let (name, level) = text.split_once('=').unwrap_or((text, Level::Guaranteed.name()));
    let capability = name.parse().map_err(|_| {
        let names = Capability::ALL.iter().map(|capability| capability.name());
        format!("`{name}` is no capability; {}", instead(name, names))
    })?;
    let level = level.parse().map_err(|_| {
        let levels = [Level::Guaranteed, Level::BestEffort].into_iter().map(Level::name);
        format!("`{level}` is no level; {}", instead(level, levels))
    })?;
    Ok(Requirement { capability, level })
}

/// What a task may be called.
pub(crate) fn task_name(text: &str) -> Result<String, String> {
    if !spawner::journal::is_plain_name(text) {
        return Err("it must be 1 to 64 letters, digits, `-`, `_` or `.`, and not begin with `-`".into());
    }
    Ok(text.to_owned())
}

use spawner::names::instead;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [("5s", 5000), ("1m 30s", 90_000), ("200ms", 200), ("1h", 3_600_000), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_bad_duration_is_answered_with_a_good_one() {
        for bad in ["", "5", "5x", "-5s", "five seconds", "5s5s", "1000000000h", "99999999999999999999s"] {
            let told = duration(bad).unwrap_err();
            assert!(told.contains("`1m 30s`"), "{bad}: {told}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert!(size("0").unwrap_err().contains("`512M`"));
        assert!(size("much").unwrap_err().contains("`512M`"));
    }

    #[test]
    fn names_of_tasks_are_plain_words() {
        assert_eq!(task_name("web-1.x_y").unwrap(), "web-1.x_y");
        for bad in ["", "-x", "a b", "ü", "a\nb", "$HOME", &"x".repeat(65)] {
            assert!(task_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn volumes_and_labels_are_read_or_answered_with_good_ones() {
        for good in ["/a:/b", "/a:/b:ro", "./x:/y:rw", ".:/src"] {
            assert_eq!(volume(good).unwrap(), good);
        }
        for bad in ["", "/a", ":/b", "/a:b", "data:/b", "/a:/b:rx", "/a:/b:ro:ro"] {
            assert!(volume(bad).unwrap_err().contains("HOST:CONTAINER"), "{bad}");
        }
        assert_eq!(label("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(label("spawner.task=1").unwrap_err().contains("its own"));
        assert!(label("=x").is_err() && label("x").is_err());
        assert_eq!(pull("missing").unwrap(), Pull::Missing);
        assert!(pull("mising").unwrap_err().contains("did you mean `missing`?"));
    }

    #[test]
    fn requirements_name_a_capability_and_a_level() {
        let requirement = |text| super::requirement(text);
        assert_eq!(requirement("prove-clean").unwrap().level, Level::Guaranteed);
        assert_eq!(requirement("usage=best-effort").unwrap().level, Level::BestEffort);
        assert!(requirement("prove-claen=guaranteed").unwrap_err().contains("did you mean `prove-clean`?"));
        assert!(requirement("usage=best").unwrap_err().contains("did you mean `best-effort`?"));
    }
}
