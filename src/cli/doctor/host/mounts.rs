//! What is mounted, and how /proc is.

use crate::cli::doctor::finding::Finding;

/// One line of /proc/self/mountinfo, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: String,
    pub(super) kind: String,
    pub(super) options: String,
}

/// Everything that is mounted; nothing where /proc is not.
pub(super) fn all() -> Vec<Mount> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

/// See proc_pid_mountinfo(5).
fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(4);
    let (point, own) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let (kind, options) = (after.next()?, after.nth(1)?);
    Some(Mount { point: unescape(point), kind: kind.into(), options: format!("{own},{options}") })
}

/// Blanks and the like are written in octal.
fn unescape(point: &str) -> String {
    [(r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")]
        .into_iter()
        .fold(point.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

impl Mount {
    pub(super) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|own| own == option)
    }
}

/// Whether /proc shows all processes.
pub(super) fn proc(mounts: &[Mount]) -> Finding {
    let Some(mount) = mounts.iter().rfind(|mount| mount.point == "/proc" && mount.kind == "proc") else {
        return Finding::missing("/proc", "it is not mounted", "mount it: `mount -t proc proc /proc`");
    };
    let hidden = mount.options.split(',').find_map(|option| option.strip_prefix("hidepid="));
    match hidden {
        None | Some("0" | "off") => Finding::ok("/proc", "mounted, and shows all processes"),
        Some(level) if rustix::process::geteuid().is_root() => {
            Finding::ok("/proc", format!("mounted with hidepid={level}, which does not concern root"))
        }
        Some(level) => Finding::limited(
            "/proc",
            format!("mounted with hidepid={level}: processes of other users are hidden"),
            "those are ended and counted all the same, but may not be named; remount with hidepid=0",
        ),
    }
}

/// Where control groups are.
pub(super) fn groups(mounts: &[Mount]) -> Finding {
    let second = mounts.iter().find(|mount| mount.kind == "cgroup2");
    let first: Vec<_> = ["memory", "pids", "cpu"]
        .into_iter()
        .filter(|name| mounts.iter().any(|mount| mount.kind == "cgroup" && mount.has(name)))
        .collect();
    let Some(second) = second else {
        let remedy = "mount it: `mount -t cgroup2 none /sys/fs/cgroup`; till then, `auto` uses the subreaper";
        return Finding::missing("cgroups", "version 2 is not mounted", remedy);
    };
    let mut detail = format!("version 2 at {}", second.point);
    if !first.is_empty() {
        detail = format!("{detail}; version 1 has the controllers {}", first.join(", "));
    }
    Finding::ok("cgroups", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_is_read() {
        let line = r"36 35 98:0 /mnt1 /a\040b rw,noatime master:1 - cgroup2 /dev/root rw,nsdelegate";
        let mount = parse(line).unwrap();
        assert_eq!((mount.point.as_str(), mount.kind.as_str()), ("/a b", "cgroup2"));
        assert!(mount.has("nsdelegate") && mount.has("noatime") && !mount.has("ro"));
        assert_eq!(parse("nonsense"), None);
    }
}
