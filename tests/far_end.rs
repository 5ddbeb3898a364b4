//! What the program does on the far end of another machine's backend.
#![cfg(target_os = "linux")]

mod common;

use common::{mark, spawner};

#[test]
fn it_becomes_a_program_to_which_orphans_fall() {
    let mark = mark();
    let script = format!(
        "(sleep {mark} &); read -r kids </proc/$$/task/$$/children; kill $kids; echo $kids; kill -PIPE $$; exit 3"
    );
    let ran = spawner(["as-subreaper", "sh", "-c", &script]);
    assert_eq!(ran.stdout.split_whitespace().count(), 1, "{ran:?}");
    // It died of the signal, which is not ignored there.
    assert_eq!((ran.status, ran.stderr.as_str()), (-13, ""), "{ran:?}");
    assert_eq!(common::alive(&mark), [0; 0]);
}

#[test]
fn what_it_cannot_become_is_told() {
    for arguments in [&["as-subreaper"][..], &["as-subreaper", "/no/such"]] {
        let ran = spawner(arguments);
        assert_eq!(ran.status, 125, "{ran:?}");
        assert!(ran.stderr.starts_with("spawner: "), "{ran:?}");
    }
}

#[test]
fn it_waits_for_as_long_as_it_is_told() {
    let began = std::time::Instant::now();
    let ran = spawner_told("0.2\n0\n0.1\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "tick\ntick\ntick\n"), "{ran:?}");
    assert!(began.elapsed() >= std::time::Duration::from_millis(300));
    let ran = spawner_told("soon\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (125, ""), "{ran:?}");
    assert!(ran.stderr.contains("`soon`"), "{ran:?}");
}

fn spawner_told(times: &str) -> common::Ran {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), times).unwrap();
    let mut command = common::command();
    command.arg("as-timer").stdin(std::fs::File::open(file.path()).unwrap());
    common::finish(&mut command)
}
