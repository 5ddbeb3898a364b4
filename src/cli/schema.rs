//! `spawner schema`.

use super::args::Document;
use super::failure::Failure;
use super::{capabilities, conformance, doctor, out, tasks};

pub(crate) fn run(document: Document) -> Result<i32, Failure> {
    let schema = match document {
        Document::Report => spawner::Report::json_schema(),
        Document::Capabilities => schemars::schema_for!(capabilities::Document),
        Document::Task => schemars::schema_for!(spawner::TaskRecord),
        Document::Conformance => conformance::schema()?,
        Document::Ps => tasks::ps_schema(),
        Document::Sweep => tasks::sweep_schema(),
        Document::Doctor => schemars::schema_for!(doctor::Document),
    };
    out::print_json(&schema)?;
    Ok(0)
}
