//! Which task a person means.

use std::path::Path;

use spawner::journal::{Account, Found, Whose};
use spawner::names::instead;
use spawner::{Backend, Backends};

use super::Damaged;
use super::records::{self, called};
use crate::cli::failure::Failure;

/// Fewer digits of an id are too easily those of another one tomorrow.
const FEWEST_DIGITS: usize = 4;

/// The task with this id, the only one whose id begins so, or the only one of this name.
pub(super) fn find(backends: &Backends, asked: &str) -> Result<Account, Failure> {
    let (mut accounts, mut damaged) = (Vec::new(), Vec::new());
    for found in records::all(backends)? {
        match found {
            Found::Account(account) => accounts.push(*account),
            Found::Damaged { path, why } => damaged.push((path, why)),
        }
    }
    if let Some((path, why)) = damaged.iter().find(|(path, _)| begins(&stem(path), asked)) {
        let Damaged { file, why } = Damaged::new(path, why.clone());
        return Err(Failure::new(format!("cannot read the record {file}: {why} ({})", Damaged::REMEDY)));
    }
    let (mut meant, others): (Vec<_>, Vec<_>) = accounts.into_iter().partition(|account| {
        let record = &account.opening.record;
        record.name.as_deref() == Some(asked) || begins(&record.id.to_string(), asked)
    });
    match (meant.pop(), meant.is_empty()) {
        (Some(account), true) => Ok(account),
        (Some(account), false) => {
            meant.push(account);
            meant.sort_by(|one, other| one.opening.created.cmp(&other.opening.created));
            let all: Vec<_> = meant.iter().map(called).collect();
            let all = all.join(", ");
            Err(Failure::new(format!("cannot tell which task `{asked}` is: {all} (write more of its id)")))
        }
        (None, _) => Err(unknown(asked, &others)),
    }
}

fn begins(id: &str, asked: &str) -> bool {
    asked.len() >= FEWEST_DIGITS && id.starts_with(&asked.to_ascii_lowercase())
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// How many tasks are listed to somebody who asked for one that is not there.
const LISTED: usize = 10;

fn unknown(asked: &str, there: &[Account]) -> Failure {
    let hint = if there.is_empty() {
        "nothing is on record".to_owned()
    } else {
        let name = |account: &Account| {
            let record = &account.opening.record;
            record.name.clone().unwrap_or_else(|| record.id.to_string())
        };
        let mut names: Vec<_> = there.iter().map(name).collect();
        names.sort();
        names.truncate(LISTED);
        format!("{}; see `spawner ps`", instead(asked, names.iter().map(String::as_str)))
    };
    let short = asked.len() < FEWEST_DIGITS && asked.bytes().all(|byte| byte.is_ascii_hexdigit());
    let short = if short { ", and an id takes at least 4 digits" } else { "" };
    Failure::new(format!("cannot find task `{asked}`: no task has this id or name{short} ({hint})"))
}

/// Opens the backend that can do something about the task.
pub(super) fn open(backends: &Backends, account: &Account) -> Result<Backend, Failure> {
    let cannot = |why: &str| Failure::new(format!("cannot reach task {}: {why}", called(account)));
    match account.whose() {
        Whose::OtherHost => {
            let machine = &account.opening.host.machine;
            let machine = machine.rsplit('@').next().unwrap_or_default().escape_debug();
            return Err(cannot(&format!("it is on host `{machine}` or in another container; ask there")));
        }
        Whose::OtherUser => return Err(cannot("it is another user's; ask as that user")),
        Whose::Living | Whose::Dead | Whose::OtherBoot => {}
    }
    Ok(records::open(backends, account)?)
}
