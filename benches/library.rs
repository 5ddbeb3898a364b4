//! The library: spawn, wait and verified destroy of `/bin/true`, beside what `tokio::process` does without any
//! clean-up.

use criterion::{Criterion, criterion_group, criterion_main};
use spawner::{Spawner as _, TaskSpec, Teardown};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};

mod common;

fn life_of_true(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for mechanism in Choice::MECHANISMS {
        if mechanism == Choice::ProcessGroup {
            // It looks again and again until it believes that nothing is left; there is nothing to compare.
            continue;
        }
        let config = ProcessConfig { mechanism, ..ProcessConfig::default() };
        let spawner = match ProcessSpawner::new(config) {
            Ok(spawner) => spawner,
            Err(error) => {
                println!("skipped {}: {error}", mechanism.name());
                continue;
            }
        };
        let spec = TaskSpec::new(["/bin/true"]);
        let teardown = Teardown::default();
        let mut ours = || {
            runtime.block_on(async {
                let task = spawner.spawn_task(&spec).await.expect("a started task");
                assert!(spawner.wait_task(&task).await.expect("an exit").success());
                assert!(spawner.destroy_task(&task, &teardown).await.is_clean());
            });
        };
        let mut peer = || {
            runtime.block_on(async {
                let mut child = tokio::process::Command::new("/bin/true").spawn().expect("a child");
                assert!(child.wait().await.expect("a status").success());
            });
        };
        let name = format!("spawn, wait and destroy by {}", mechanism.name());
        common::alternate(criterion, "life of /bin/true", (&name, &mut ours), ("tokio::process", &mut peer));
        runtime.block_on(spawner.shutdown()).expect("a clean end");
    }
}

criterion_group!(benches, life_of_true);
criterion_main!(benches);
