//! How a process becomes this helper instead of running its `main`.

use spawner_core::lifeline;

use super::{ROLE, helper};

/// Takes a freshly executed copy of the harness over, where it was started to be this helper.
#[ctor::ctor(unsafe)]
fn take_over() {
    lifeline::take_over(ROLE, helper::main);
}

/// Whether this code, and so the hook, is part of the executable that this process runs; it is not in a
/// library that some host has loaded.
pub(super) fn has_the_hook() -> bool {
    let here = take_over as fn() as usize;
    let (Ok(maps), Ok(executable)) =
        (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe"))
    else {
        return false;
    };
    let executable = executable.to_string_lossy();
    maps.lines().any(|line| {
        let mut fields = line.splitn(6, ' ');
        let Some((start, end)) = fields.next().and_then(|range| range.split_once('-')) else { return false };
        let parse = |number| usize::from_str_radix(number, 16).ok();
        let within = parse(start).zip(parse(end)).is_some_and(|(start, end)| (start..end).contains(&here));
        within && fields.last().is_some_and(|path| path.trim() == executable)
    })
}
