//! The folder in which tasks are on record.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use spawner::Journal;

use super::finding::Finding;

const NAME: &str = "state folder";

/// Where it is, and whether anything can be written to it. Makes nothing that stays.
pub(super) fn folder() -> Finding {
    const REMEDY: &str = "set SPAWNER_STATE_DIR to a folder that can be written to; without one, tasks run and \
                          are on no record, and none can be started detached";
    let journal = Journal::locate();
    let Some(folder) = journal.folder() else {
        return Finding::limited(NAME, "there is no home folder", REMEDY);
    };
    let shown = folder.display();
    match writable(folder) {
        Ok(Writable::Yes) => Finding::ok(NAME, format!("{shown}")),
        Ok(Writable::Once) => Finding::ok(NAME, format!("{shown}, which the first task makes")),
        Err(error) => Finding::limited(NAME, format!("{shown} cannot be written to: {error}"), REMEDY),
    }
}

enum Writable {
    Yes,
    /// It is not there yet, and can be made.
    Once,
}

fn writable(folder: &Path) -> std::io::Result<Writable> {
    match std::fs::metadata(folder) {
        // Only an attempt tells a full disk.
        Ok(_) => tempfile::tempfile_in(folder).map(|_| Writable::Yes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = folder.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
            accessat(CWD, above, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
            Ok(Writable::Once)
        }
        Err(error) => Err(error),
    }
}
