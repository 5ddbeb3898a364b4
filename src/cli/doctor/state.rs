//! The folder in which tasks are on record.

use std::path::Path;

use spawner::Settings;

use super::finding::Finding;

const NAME: &str = "state folder";

/// Where that of a backend with these settings is, and whether anything can be written to it. Makes nothing that stays.
pub(super) fn folder(settings: &Settings) -> Finding {
    const REMEDY: &str = "set SPAWNER_STATE_DIR to a folder that can be written to; without one, tasks run and \
                          are on no record, and none can be started detached";
    let journal = settings.journal();
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

/// Only an attempt tells a full disk, or a file system that takes no files.
fn writable(folder: &Path) -> std::io::Result<Writable> {
    match std::fs::metadata(folder) {
        Ok(_) => tempfile::tempfile_in(folder).map(|_| Writable::Yes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = folder.ancestors().find(|above| above.exists()).unwrap_or(folder);
            tempfile::tempfile_in(above).map(|_| Writable::Once)
        }
        Err(error) => Err(error),
    }
}
