//! A folder of a task's own, and its removal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use spawner_core::{Error, Fate, Resource, ResourceKind, Result, TaskId};
use tokio::time::Instant;

use super::holders;

/// The variable that tells a task where it is.
pub(super) const VARIABLE: &str = "SPAWNER_SCRATCH";

/// How long what is open may take to be closed: a process's files are, a little after it has left its job; and those
/// who look into every new file (virus scanners, indexers) let go of it soon.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many files that cannot be removed are named.
const NAMED: usize = 20;

/// A folder of a task's own.
#[derive(Debug, Clone)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Where the one of this task is, below the folder of all.
    pub(super) fn of(folder: &Path, id: TaskId) -> Result<Self> {
        let folder = super::program::absolute(folder)?;
        Ok(Self(folder.join(id.to_string())))
    }

    /// The one at this path, which is on record.
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it. One that is there already is not taken.
    pub(super) fn make(&self) -> Result<()> {
        let made = self.0.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::create_dir(&self.0));
        made.map_err(|source| Error::io("make the scratch folder", self.0.display().to_string(), source))
    }

    /// Removes it with all that is in it, trying again for a while, and says what became of it. Nothing of the task
    /// runs any more. Blocks only a thread that is there for that.
    pub(super) async fn remove(&self) -> Vec<Resource> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(5);
        loop {
            let path = self.0.clone();
            let tried = tokio::task::spawn_blocking(move || remove(&path)).await;
            let stuck = match tried {
                Ok(stuck) if stuck.is_empty() => return vec![self.resource(Fate::Removed)],
                Ok(stuck) => stuck,
                Err(error) => return vec![self.unverified(&error.to_string())],
            };
            if Instant::now() >= deadline {
                return self.leftovers(&stuck);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// What is said of it where nobody looked.
    pub(super) fn unverified(&self, why: &str) -> Resource {
        Resource {
            reason: Some(why.to_owned()),
            remedy: Some(self.remedy()),
            ..self.resource(Fate::Unverified)
        }
    }

    fn leftovers(&self, stuck: &[Stuck]) -> Vec<Resource> {
        let mut left: Vec<_> = stuck
            .iter()
            .filter(|stuck| !stuck.is_folder)
            .take(NAMED)
            .map(|file| {
                let shown = file.path.display();
                let (reason, remedy) = match holders::of(&file.path) {
                    Ok(holders) if !holders.is_empty() => {
                        let named: Vec<_> = holders.iter().map(ToString::to_string).collect();
                        let end: Vec<_> =
                            holders.iter().map(|holder| format!("taskkill /F /PID {}", holder.pid)).collect();
                        let reason = format!("{}: it is open in {}", file.why, named.join(", "));
                        (reason, format!("{} & del /f /q \"{shown}\"", end.join(" & ")))
                    }
                    Ok(_) => (
                        format!("{}: nobody is known to have it open", file.why),
                        format!("del /f /q \"{shown}\""),
                    ),
                    Err(error) => (
                        format!(
                            "{}: who has it open is unknown, since the Restart Manager says: {error}",
                            file.why
                        ),
                        format!("del /f /q \"{shown}\""),
                    ),
                };
                Resource {
                    kind: ResourceKind::File,
                    id: shown.to_string(),
                    started: None,
                    name: None,
                    fate: Fate::Survived,
                    reason: Some(reason),
                    remedy: Some(remedy),
                }
            })
            .collect();
        let files = stuck.iter().filter(|stuck| !stuck.is_folder).count();
        let why = match (files, stuck.first()) {
            (0, Some(folder)) => format!("{}: {}", folder.path.display(), folder.why),
            (1, _) => "a file in it cannot be removed".to_owned(),
            (files, _) => format!("{files} files in it cannot be removed"),
        };
        let folder = self.resource(Fate::Survived);
        left.push(Resource { reason: Some(why), remedy: Some(self.remedy()), ..folder });
        left
    }

    fn remedy(&self) -> String {
        format!("rmdir /s /q \"{}\"", self.0.display())
    }

    fn resource(&self, fate: Fate) -> Resource {
        Resource {
            kind: ResourceKind::Folder,
            id: self.0.display().to_string(),
            started: None,
            name: None,
            fate,
            reason: None,
            remedy: None,
        }
    }
}

/// Something that could not be removed.
#[derive(Debug)]
struct Stuck {
    path: PathBuf,
    is_folder: bool,
    why: io::Error,
}

/// Removes what can be removed, and gives the rest. What is gone already is fine; nothing outside is followed into.
fn remove(path: &Path) -> Vec<Stuck> {
    let stuck = |is_folder, why| vec![Stuck { path: path.to_owned(), is_folder, why }];
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if gone(&error) => return Vec::new(),
        Err(error) => return stuck(false, error),
    };
    if kind.permissions().readonly() {
        let mut permissions = kind.permissions();
        // On Windows this clears one attribute, and lets nobody in.
        #[allow(clippy::permissions_set_readonly_false)]
        permissions.set_readonly(false);
        if let Err(error) = fs::set_permissions(path, permissions) {
            tracing::debug!(path = %path.display(), %error, "it stays read-only");
        }
    }
    // A link to a folder, or a junction, is removed as a folder and not gone into.
    let is_link = kind.file_type().is_symlink();
    let is_folder = kind.is_dir() || (is_link && is_folder_link(&kind));
    let mut left = Vec::new();
    if kind.is_dir() && !is_link {
        match fs::read_dir(path) {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => left.extend(remove(&entry.path())),
                        Err(error) => left.extend(stuck(true, error)),
                    }
                }
            }
            Err(error) => return stuck(true, error),
        }
    }
    if !left.is_empty() {
        return left;
    }
    match if is_folder { fs::remove_dir(path) } else { fs::remove_file(path) } {
        Ok(()) => Vec::new(),
        Err(error) if gone(&error) => Vec::new(),
        Err(error) => stuck(is_folder, error),
    }
}

fn is_folder_link(metadata: &fs::Metadata) -> bool {
    use std::os::windows::fs::MetadataExt as _;
    metadata.file_attributes() & windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_DIRECTORY != 0
}
