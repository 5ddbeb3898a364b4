//! The words of Docker's API.

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountTypeEnum, RestartPolicy,
    RestartPolicyNameEnum,
};

use super::Wish;

/// The body of a request to create.
pub(in crate::task) fn body(wish: &Wish) -> ContainerCreateBody {
    let env = wish.env.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        // Without a value it is taken away.
        None => name.clone(),
    });
    // As mounts, since a folder that is not there would be made for a bind.
    let mounts = wish.volumes.iter().map(|volume| Mount {
        typ: Some(MountTypeEnum::BIND),
        source: Some(volume.host.clone()),
        target: Some(volume.container.clone()),
        read_only: Some(volume.read_only),
        ..Mount::default()
    });
    #[allow(clippy::cast_possible_truncation, reason = "no host has that many CPUs")]
    let nano_cpus = wish.cpus.map(|cpus| (cpus * 1e9) as i64);
    let host = HostConfig {
        mounts: Some(mounts.collect()),
        network_mode: wish.network.clone(),
        memory: wish.memory,
        // Swap is counted with it, so that none is added.
        memory_swap: wish.memory,
        pids_limit: wish.pids,
        nano_cpus,
        init: Some(wish.init),
        pid_mode: wish.host_pids.then(|| "host".to_owned()),
        auto_remove: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some(if wish.logs { "json-file" } else { "none" }.to_owned()),
            config: None,
        }),
        console_size: wish.terminal.map(|size| vec![size.rows.into(), size.columns.into()]),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(wish.image.clone()),
        // All of it, so that neither the image's own entrypoint nor its command is added.
        entrypoint: Some(wish.argv.clone()),
        cmd: None,
        env: Some(env.collect()),
        working_dir: wish.cwd.clone(),
        user: wish.user.clone(),
        labels: Some(wish.labels.clone().into_iter().collect()),
        tty: Some(wish.terminal.is_some()),
        open_stdin: Some(wish.stdin),
        stdin_once: Some(wish.stdin),
        attach_stdin: Some(wish.stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}
