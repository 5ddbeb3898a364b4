//! Whether a task can have a pid namespace, for those who ask for one.

use super::finding::Finding;

const NAME: &str = "pid namespace";

pub(super) fn pid() -> Finding {
    if std::fs::symlink_metadata("/proc/self/ns/pid").is_err() {
        return Finding::missing(NAME, "this kernel has none", "a kernel with CONFIG_PID_NS has them");
    }
    if rustix::process::geteuid().is_root() {
        return Finding::ok(NAME, "on request: `--mechanism pid-namespace`");
    }
    // What an ordinary user needs besides is a user namespace; these are the ways to forbid it.
    for (file, forbids, remedy) in [
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ] {
        let value = std::fs::read_to_string(file).unwrap_or_default();
        if value.trim() == forbids {
            let detail = format!("{file} is {forbids}: ordinary users get no user namespace");
            return Finding::missing(NAME, detail, format!("as root: `{remedy}`"));
        }
    }
    Finding::ok(NAME, "on request: `--mechanism pid-namespace`, in a user namespace")
}
