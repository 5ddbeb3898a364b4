//! What the mechanism `process-group` promises on macOS and FreeBSD.

use spawner_core::{Capabilities, Support};

use super::process_group;

/// Why nothing can be limited.
pub(crate) const NO_LIMITS: &str = "needs control groups, which this system does not have";

/// Its promises where the harness itself starts and waits, without a keeper.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        end_everything: Support::best_effort(
            "the task's session, its mark, and a walk over the process table",
            "a member that left the session and was orphaned is missed where its environment does not show the mark: it \
             cleared it, or macOS keeps it to itself, as for the programs in /bin and /usr/bin",
        ),
        ask_first: Support::best_effort(
            "SIGTERM and SIGCONT to what the walk finds, awaited by kqueue",
            "a missed member is not asked; and between comparing a start time and the signal lies one system call",
        ),
        end_with_harness: Support::best_effort(
            "a helper whose socket reads end of file, however the harness died",
            "what the walk over the process table misses is not ended; nor is a task whose harness died just while it was \
             started, where its environment does not show the mark; and a stopped helper stays stopped",
        ),
        outlive_helpers: Support::best_effort(
            "a helper that is killed is replaced while the harness lives; tasks are the harness's own children",
            "where both are killed at once, a sweep ends what is in the sessions of marked members and below them",
        ),
        sweep: Support::best_effort(
            "the journal, the main process by its identity, and SPAWNER_TASK_ID in the environment",
            "what bears no mark that can be read is missed once the main process has ended; before FreeBSD 13 a boot has no \
             id, and nothing is swept",
        ),
        detach: Support::unsupported(
            "nobody would see how it ended when its harness has died: choose a container",
        ),
        exact_exit: Support::guaranteed("the harness waits for its own child, with waitid(2)"),
        terminal: Support::guaranteed("a pseudo-terminal of the task's own, its controlling terminal"),
        signal: Support::guaranteed("the harness signals its own unreaped child"),
        limit_memory: Support::unsupported(NO_LIMITS),
        limit_pids: Support::unsupported(NO_LIMITS),
        limit_cpu: Support::unsupported(NO_LIMITS),
        ..process_group()
    }
}
