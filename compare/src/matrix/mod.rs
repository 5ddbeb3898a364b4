//! The containment matrix: what survives of which task, by which peer, and what the peer says of it.

mod cell;
mod daemon;
mod harness;
mod jail;
mod peers;
mod tasks;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde::Serialize;

pub(crate) use cell::Ending;
use cell::{Found, Place, play};
use jail::Guarded;
use peers::Peer;
use tasks::{ASKS, KINDS, Kind, SET_UID_CHILD, Who};

use crate::context::Run;
use crate::peers::library::{Claim, Lab};

#[derive(Debug, Serialize)]
pub(crate) struct Matrix {
    pub(crate) peers: Vec<String>,
    pub(crate) tasks: Vec<String>,
    pub(crate) cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    pub(crate) peer: String,
    pub(crate) task: String,
    pub(crate) user: String,
    pub(crate) ending: Ending,
    pub(crate) found: Option<Found>,
    /// Why it could not be played.
    pub(crate) why_not: Option<String>,
}

pub(crate) const ROOT: &str = "root";
pub(crate) const ORDINARY: &str = "an ordinary user";

pub(crate) fn measure(run: &mut Run) {
    if !run.wants("matrix") {
        return;
    }
    let ready = if rustix::process::geteuid().is_root() {
        prepare(run)
    } else {
        Err("its outer jail is for root".into())
    };
    let stage = match ready {
        Ok(stage) => stage,
        Err(why) => return run.absent("the matrix", why),
    };
    let peers = peers::all(run, &stage.spawner);
    // Tasks on the other machine are bounded and ended with its server's.
    let guarded = Lab::find().and_then(|lab| Guarded::begin(lab.server()?));
    let cells = stage.play_all(&peers, run.options.quick);
    if let Err(why) = guarded.and_then(|guarded| guarded.end()) {
        run.absent("an outer jail for the server", why);
    }
    count(run, &peers, &cells);
    let tasks = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
    let peers = peers.into_iter().map(|peer| peer.name).collect();
    run.document.matrix = Some(Matrix { peers, tasks, cells });
}

/// Where everybody may run the programs.
struct Stage {
    folder: PathBuf,
    program: PathBuf,
    spawner: PathBuf,
    set_uid: PathBuf,
    account: Option<(String, u32, u32)>,
}

fn prepare(run: &mut Run) -> Result<Stage, String> {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    let failed = |error: std::io::Error| error.to_string();
    let account = match &run.options.account {
        None => None,
        Some(name) => {
            let id = |which: &str| -> Result<u32, String> {
                let output = Command::new("id").args([which, name]).output().map_err(failed)?;
                String::from_utf8_lossy(&output.stdout)
                    .trim()
                    .parse()
                    .map_err(|_| format!("there is no account {name}"))
            };
            Some((name.clone(), id("-u")?, id("-g")?))
        }
    };
    if account.is_none() {
        run.absent("the matrix as an ordinary user", "no account was named");
    }
    let folder = run.scratch.path().to_owned();
    let everybody = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)
    };
    everybody(&folder, 0o755)?;
    let own = std::env::current_exe().map_err(failed)?;
    let [program, spawner, set_uid] = ["compare", "spawner", "set-uid"].map(|name| folder.join(name));
    for (from, to) in [(&own, &program), (&run.options.spawner, &spawner), (&own, &set_uid)] {
        std::fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
        everybody(to, 0o755)?;
    }
    if let Some((_, _, group)) = account {
        // Only that account may run it.
        chown(&set_uid, None, Some(group)).map_err(failed)?;
        everybody(&set_uid, 0o4750)?;
    }
    Ok(Stage { folder, program, spawner, set_uid, account })
}

/// One cell that is to be played.
struct Plan<'a> {
    peer: &'a Peer,
    kind: &'a Kind,
    user: &'static str,
    ending: Ending,
}

impl Stage {
    fn play_all(&self, peers: &[Peer], quick: bool) -> Vec<Cell> {
        let mut plans = VecDeque::new();
        for (user, who) in [(ROOT, Who::Root), (ORDINARY, Who::Ordinary)] {
            for kind in KINDS
                .iter()
                .filter(|kind| (kind.who == Who::Both || kind.who == who) && (!quick || kind.quick))
            {
                for peer in peers {
                    // The engine is root's, and so is the server.
                    if (peer.contained() || peer.remote() || self.account.is_none()) && who == Who::Ordinary {
                        continue;
                    }
                    for ending in [Ending::Requested, Ending::Killed] {
                        plans.push_back(Plan { peer, kind, user, ending });
                    }
                }
            }
        }
        let total = plans.len();
        let plans = Mutex::new(plans);
        let cells = Mutex::new(Vec::new());
        // Whose first task as that user could not even be started.
        let hopeless = Mutex::new(HashMap::new());
        let workers = 2 * std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let (number, plan) = {
                            let mut plans = plans.lock().expect("nobody panics with it");
                            let number = total - plans.len();
                            match plans.pop_front() {
                                Some(plan) => (number, plan),
                                None => return,
                            }
                        };
                        let cell = self.play_one(number, &plan, &hopeless);
                        cells.lock().expect("nobody panics with it").push((number, cell));
                    }
                });
            }
        });
        let mut cells = cells.into_inner().expect("nobody panics with it");
        cells.sort_by_key(|(number, _)| *number);
        cells.into_iter().map(|(_, cell)| cell).collect()
    }

    fn play_one(&self, number: usize, plan: &Plan<'_>, hopeless: &Mutex<HashMap<String, String>>) -> Cell {
        let key = format!("{} {}", plan.peer.name, plan.user);
        let known = hopeless.lock().expect("nobody panics with it").get(&key).cloned();
        let played = match known {
            Some(why) => Err(why),
            None => self.play_in_folder(number, plan),
        };
        if let Err(why) = &played
            && plan.kind.name == KINDS[0].name
        {
            hopeless.lock().expect("nobody panics with it").insert(key, why.clone());
        }
        let (found, why_not) = match played {
            Ok(found) => (Some(found), None),
            Err(why) => (None, Some(why)),
        };
        let (peer, task) = (plan.peer.name.clone(), plan.kind.name.to_owned());
        Cell { peer, task, user: plan.user.into(), ending: plan.ending, found, why_not }
    }

    fn play_in_folder(&self, number: usize, plan: &Plan<'_>) -> Result<Found, String> {
        let failed = |error: std::io::Error| error.to_string();
        let name = format!("compare-{}-{number}", std::process::id());
        let folder = self.folder.join(&name);
        std::fs::create_dir(&folder).map_err(failed)?;
        let account = self.account.as_ref().filter(|_| plan.user == ORDINARY);
        let account = account.map(|(name, user, group)| (name.as_str(), *user, *group));
        if let Some((_, user, group)) = account {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).map_err(failed)?;
        }
        let place =
            Place { folder: folder.clone(), program: &self.program, set_uid: &self.set_uid, account, name };
        let found = play(plan.peer, plan.kind, plan.ending, &place);
        std::fs::remove_dir_all(&folder).map_err(failed)?;
        found
    }
}

/// The goal about the matrix: what escaped ours, and where ours said what is not.
fn count(run: &mut Run, peers: &[Peer], cells: &[Cell]) {
    let (mut escapes, mut clean, mut dirty, mut played) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for cell in cells {
        let Some(peer) = peers.iter().find(|peer| peer.name == cell.peer && peer.ours()) else { continue };
        let Some(found) = &cell.found else { continue };
        played += 1;
        let what = || format!("{} of {} as {} ({:?})", cell.task, cell.peer, cell.user, cell.ending);
        // What a daemon starts is not the task's, and what an ordinary user may not signal cannot be ended, and is not
        // named where nobody is left to name it: the declared "no".
        let unheard = cell.task == SET_UID_CHILD && found.claim == Claim::Nothing;
        let declared = cell.task == ASKS || unheard;
        // And what may not be signalled is named, with that reason.
        let named = matches!(found.claim, Claim::Left(_)) && !found.false_dirty;
        if found.survivors > 0 && peer.promises() && !declared && !named {
            escapes.push(what());
        }
        if found.alive_at_claim && found.claim == Claim::Proved && !declared {
            clean.push(what());
        }
        if found.false_dirty {
            dirty.push(what());
        }
    }
    for (what, list) in [("escapes", escapes), ("false clean", clean), ("false dirty", dirty)] {
        let detail = if list.is_empty() { format!("in {played} cells of ours") } else { list.join("; ") };
        run.goal(
            &format!("{what} over the whole matrix, root and ordinary user"),
            0.0,
            Ok((list.len() as f64, detail)),
        );
    }
}
