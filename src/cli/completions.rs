//! `spawner completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Arguments;
use super::failure::Failure;
use super::out;

pub(crate) fn run(shell: Shell) -> Result<i32, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "spawner", &mut script);
    out::print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
