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
