//! The words of podman's own API (`SpecGenerator`), which say more than Docker's: a working directory that is not
//! there is an error, a variable of the image can be taken away.

use serde_json::{Map, Value, json};

use super::Wish;

/// The body of a request to create.
pub(in crate::task) fn body(wish: &Wish) -> Value {
    let set: Map<_, _> =
        wish.env.iter().filter_map(|(name, value)| Some((name.clone(), json!(value.as_ref()?)))).collect();
    let unset: Vec<_> = wish.env.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
    let mounts: Vec<_> = wish
        .volumes
        .iter()
        .map(|volume| {
            let mode = if volume.read_only { "ro" } else { "rw" };
            json!({
                "type": "bind", "source": volume.host, "destination": volume.container,
                "options": ["rbind", mode],
            })
        })
        .collect();
    let mut body = json!({
        "name": wish.name,
        "image": wish.image,
        // All of it, so that neither the image's own entrypoint nor its command is added.
        "entrypoint": wish.argv,
        "env": set,
        "unsetenv": unset,
        "labels": wish.labels,
        "mounts": mounts,
        "log_configuration": { "driver": if wish.logs { "k8s-file" } else { "none" } },
        "restart_policy": "no",
        "remove": false,
        "stdin": wish.stdin,
        "terminal": wish.terminal.is_some(),
        "init": wish.init,
        "resource_limits": limits(wish),
    });
    let mut add = |key: &str, value: Value| {
        body[key] = value;
    };
    if let Some(cwd) = &wish.cwd {
        add("work_dir", json!(cwd));
    }
    if let Some(user) = &wish.user {
        add("user", json!(user));
    }
    if wish.host_pids {
        add("pidns", json!({ "nsmode": "host" }));
    }
    if let Some(mode) = &wish.network {
        let (namespace, network) = network(mode);
        add("netns", namespace);
        if let Some(network) = network {
            add("networks", json!({ network: {} }));
        }
    }
    body
}

/// What `podman run --network` takes: a mode, or the name of a network.
fn network(mode: &str) -> (Value, Option<&str>) {
    let (kind, value) = mode.split_once(':').unwrap_or((mode, ""));
    match (kind, value) {
        ("none" | "host" | "bridge" | "private", "") => (json!({ "nsmode": kind }), None),
        ("slirp4netns" | "pasta" | "container", value) => (json!({ "nsmode": kind, "value": value }), None),
        ("ns", path) => (json!({ "nsmode": "path", "value": path }), None),
        _ => (json!({ "nsmode": "bridge" }), Some(mode)),
    }
}

fn limits(wish: &Wish) -> Value {
    let mut limits = json!({});
    if let Some(memory) = wish.memory {
        // Swap is counted with it, so that none is added.
        limits["memory"] = json!({ "limit": memory, "swap": memory });
    }
    if let Some(pids) = wish.pids {
        limits["pids"] = json!({ "limit": pids });
    }
    if let Some(cpus) = wish.cpus {
        const PERIOD: u32 = 100_000;
        #[allow(clippy::cast_possible_truncation, reason = "no host has that many CPUs")]
        let quota = (cpus * f64::from(PERIOD)) as i64;
        limits["cpu"] = json!({ "quota": quota.max(1000), "period": PERIOD });
    }
    limits
}
