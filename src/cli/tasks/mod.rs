//! What is done with tasks that are on record: started, shown, awaited, ended.

mod asked;
mod destroy;
mod logs;
mod ps;
mod records;
mod start;
mod state;
mod sweep;
mod target;
mod wait;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::destroy::destroy;
pub(crate) use self::logs::logs;
pub(crate) use self::ps::{ps, schema as ps_schema};
pub(crate) use self::start::start;
pub(crate) use self::sweep::{schema as sweep_schema, sweep};
pub(crate) use self::wait::wait;

/// A record that cannot be read; it is kept for a person to look at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Damaged {
    /// The file.
    file: String,
    /// What is wrong with it.
    why: String,
}

impl Damaged {
    /// What a person is told to do about it.
    const REMEDY: &str = "kept for you to look at; remove it where nothing of its task is left";

    fn new(path: &std::path::Path, why: String) -> Self {
        Self { file: path.display().to_string(), why }
    }
}
