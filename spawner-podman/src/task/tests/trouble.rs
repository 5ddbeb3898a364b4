//! Monitors and engines that are stopped or killed, and many containers at once.

use super::*;

/// The engine's monitor of the container.
fn monitor(trial: &Trial) -> ProcessIdentity {
    trial.ender.live.traces().conmon.expect("a container has a monitor")
}

fn signal(process: &ProcessIdentity, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(process.pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn a_monitor_that_is_stopped_or_killed_keeps_nothing_alive() {
    let Some(address) = address() else { return };
    for (pids, how) in [
        ("--pid=host", rustix::process::Signal::STOP),
        ("--pid=private", rustix::process::Signal::STOP),
        ("--pid=host", rustix::process::Signal::KILL),
        ("--pid=private", rustix::process::Signal::KILL),
    ] {
        let trial = Trial::of(&address, &[pids, "--volume=/data"], &["sh", "-c", ESCAPES]).await;
        let before = await_processes(&trial, 4);
        signal(&monitor(&trial), how);
        let (outcome, took) = trial.destroy(&quick()).await;
        println!("{pids} {how:?} {took:?}");
        let provable = trial.has_groups() || pids == "--pid=private";
        let wanted = if provable { Verdict::Clean } else { Verdict::Unverified };
        assert_eq!(outcome.verdict(), wanted, "{pids} {how:?} {outcome} {:#?}", outcome.resources());
        assert!(!before.iter().any(ProcessIdentity::is_alive), "{before:?}");
        trial.assert_nothing_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_all_proved_gone() {
    let Some(address) = address() else { return };
    let mut trials = Vec::new();
    for _ in 0..12 {
        trials.push(Trial::of(&address, &["--volume=/data"], &["sleep", "1000"]).await);
    }
    let trials = futures_util::future::join_all(trials.into_iter().map(|trial| async move {
        let (outcome, took) = trial.destroy(&Teardown::default()).await;
        assert!(outcome.is_clean(), "{took:?} {outcome}");
        trial
    }));
    trials.await.iter().for_each(Trial::assert_nothing_left);
}

/// An engine of its own over the same storage, ended when dropped.
struct Service(Child, String, #[allow(dead_code, reason = "removed when dropped")] tempfile::TempDir);

impl Service {
    fn up() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("unix://{}/p.sock", folder.path().display());
        let mut command = Command::new("podman");
        command.args(["system", "service", "--time=0", &address]).env_remove("CONTAINER_HOST");
        // A rootless one starts itself again in a user namespace.
        command.process_group(0);
        let child = command.spawn().unwrap();
        let deadline = Instant::now() + SOON;
        while !folder.path().join("p.sock").exists() {
            assert!(Instant::now() < deadline, "the engine does not come up");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self(child, address, folder)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn an_engine_that_is_stopped_leaves_a_container_that_is_named_and_no_process() {
    if address().is_none() {
        return;
    }
    for signal in [rustix::process::Signal::STOP, rustix::process::Signal::KILL] {
        let service = Service::up();
        let trial = Trial::of(&service.1, &[], &["sleep", "1000"]).await;
        service.signal(signal);
        let teardown = Teardown::at_once().deadline(Duration::from_millis(800));
        let (outcome, took) = trial.destroy(&teardown).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome}");
        assert!(took < Duration::from_millis(800) + Teardown::SLACK + Duration::from_millis(200), "{took:?}");
        let leftovers: Vec<_> = outcome.leftovers().map(|leftover| leftover.to_string()).collect();
        println!("{leftovers:#?} {took:?}");
        assert_eq!(leftovers.len(), 1, "{leftovers:?}");
        assert!(outcome.leftovers().all(|left| left.resource().kind == ResourceKind::Container));
        assert!(
            leftovers[0].contains(&trial.id)
                && leftovers[0].contains(&format!("rm --force --volumes {}", trial.id))
        );
        assert!(trial.ender.live.local.as_ref().unwrap().has_ended());
        if signal == rustix::process::Signal::STOP {
            service.signal(rustix::process::Signal::CONT);
            let (outcome, _) = trial.destroy(&Teardown::default()).await;
            assert!(outcome.is_clean(), "{outcome}");
            trial.assert_nothing_left();
        }
    }
}
