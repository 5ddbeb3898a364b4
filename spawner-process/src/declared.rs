//! What the process backend promises, mechanism by mechanism.

use spawner_core::{Capabilities, Support};

use crate::config::Choice;

#[cfg(any(target_os = "macos", target_os = "freebsd", all(test, target_os = "linux")))]
pub(crate) mod without_keeper;

/// The promises of one mechanism on a host that gives it all it needs, and its story in plain words.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Which mechanism.
    pub mechanism: Choice,
    /// Its promises.
    pub capabilities: Capabilities,
    /// What one can and cannot rely on.
    pub story: &'static str,
}

/// The promises of every mechanism, the strongest first.
pub fn declared() -> Vec<Declared> {
    Choice::MECHANISMS.into_iter().map(Declared::of).collect()
}

impl Declared {
    /// The promises of one mechanism; of `auto`, those of the strongest that it may choose.
    pub fn of(mechanism: Choice) -> Self {
        let (capabilities, story) = match mechanism {
            Choice::Auto | Choice::CgroupV2 => (cgroup(), CGROUP),
            Choice::Subreaper => (subreaper(), SUBREAPER),
            Choice::PidNamespace => (pid_namespace(), PID_NAMESPACE),
            Choice::JobObject => (job_object(), JOB_OBJECT),
            Choice::ProcessGroup => (process_group(), PROCESS_GROUP),
        };
        Self { mechanism, capabilities, story }
    }
}

const NO_LIMITS: &str = "needs the controllers of a control group: choose `cgroup-v2`";

const CGROUP: &str = "\
The spawner can end everything that the task started and prove that it is gone: whatever a member does (detach, \
ignore signals, fork without pause, change its user, freeze itself), the kernel keeps it in the task's control \
group, kills the group in one step and says when it is empty. A member that is allowed to move itself into \
another control group, as root is, leaves it and still falls to the task's keeper, whose proof is asked as well; one that \
does so and enters a pid namespace which was there before the task falls to that one's init, and is missed. \
It cannot end what the task asked somebody else to start: a service manager, a container engine, `at`. A member in \
uninterruptible sleep is reported as survived until it wakes. Limits work where the controllers are delegated. \
When the harness dies, the task's keeper reads end of file, kills the group, proves it empty and closes the record. When \
the supervisor dies first, nothing happens to the tasks: their keepers go on, with the same proof, and the next task \
gets a new supervisor. When a keeper dies, the supervisor ends the group and inherits the orphans, with the same proof. \
When all of them are killed at once, a sweep finds the group by its name and kills it; a member that had left it and \
cleared its environment would be missed, so that verdict is `unverified`.";

const SUBREAPER: &str = "\
The spawner can end everything that the task started and prove that it is gone, without any privilege: every orphan \
of the task falls to the task's keeper, and the kernel itself says when the keeper has no child left. It cannot end a \
member that changed its user (a set-uid program run by an ordinary user): that one is reported with its pid and \
the reason. It misses what a member leaves behind in a pid namespace that was there before the task (setns(2), \
`nsenter --pid`): the kernel gives orphans in there to the namespace's init and not to the keeper, so the task is called \
clean without them; `cgroup-v2` holds them. It cannot limit anything, and it cannot end what the task asked somebody else \
to start. \
When the harness dies, the task's keeper reads end of file, kills until it has no child, and closes the record. When the \
supervisor dies first, nothing happens to the tasks: their keepers go on, with the same proof, and the next task gets a \
new supervisor. When a keeper dies, the supervisor inherits its orphans and ends them, with the same proof. When all of \
them are killed at once, a sweep finds the members by their environment, their sessions and what is below them; one that \
took all of that off would be missed, so that verdict is `unverified`.";

const PID_NAMESPACE: &str = "\
The spawner can end everything that the task started and prove that it is gone: killing the first process of the \
namespace makes the kernel kill all others, whatever they do. The price is that the task sees it: its pids are \
others and the host's processes are hidden, hence it is used only where it is asked for. For an ordinary user it \
takes a user namespace, in which set-uid programs do not get their privilege. \
When the harness dies, the task's keeper reads end of file, kills the namespace's init and closes the record. When the \
supervisor dies first, nothing happens to the tasks: their keepers go on, with the same proof, and the next task gets a \
new supervisor. When a keeper dies, with or without the others, the kernel ends the whole namespace at once; what is \
left is the record, which the supervisor or a sweep closes with proof.";

const JOB_OBJECT: &str = "\
The spawner can end everything that the task started and prove that it is gone, without any privilege: the task is \
put into a Job Object before its first instruction runs, every process that a member makes is born in it and cannot \
leave it, whatever its user, its console or its privileges, and one call ends them all. The job's own count of \
running processes is the proof. It cannot end what the task asked somebody else to start: the Task Scheduler, a \
service, WMI (`Win32_Process.Create`), a COM server outside the task. \
When the harness dies, the kernel closes its handles, and with the last handle of a job everything in it is ended; there \
is no helper process that could die before. A process in the midst of being started is suspended and in the job of the \
harness, or not started at all. So a sweep finds nothing to end: it looks, and closes the record. For the same \
reason no task outlives its harness here. A task may ask for a scratch folder, whose removal is part of the clean-up; \
a file in it that somebody still has open is named with its holder.";

const PROCESS_GROUP: &str = "\
The spawner can end the task's session and what a walk over the process tree finds. It makes a best-effort attempt at \
the rest, and it may miss a member that detached itself and whose parents ended. It never says that a task was cleaned \
up for certain: the best verdict is `unverified`. It is what remains on systems that have nothing better (macOS, FreeBSD). \
When the harness dies, the task's keeper ends the session, what the walk finds and what bears the task's mark. When the \
supervisor dies first, the keepers go on. When a keeper dies, or all of them, a sweep ends what bears the task's mark.\n\n\
On macOS and FreeBSD it promises less than the table says, which is for Linux; `spawner capabilities --probe` tells it there. \
Nobody has run it on these systems yet: it is checked by the compiler for them, and its tests run on Linux, against /proc. The \
harness itself starts the task and waits for it, and a small helper ends it when the harness dies (best effort: not where the \
helper is stopped, and not for certain where the harness dies just while a task is started). There is no detached task, since \
nobody would see how it ended. A member is known by the session, by a place below another member in the process table, or by \
SPAWNER_TASK_ID in its environment, which macOS keeps to itself for programs that it protects (those in /bin and /usr/bin). It \
is signalled after its start time was compared, and one system call lies between the two. A sweep takes the id of the boot, \
which FreeBSD has since version 13.";

/// What holds for every mechanism of this backend.
fn common() -> Capabilities {
    Capabilities {
        end_everything: Support::guaranteed(
            "orphans fall to the task's keeper, which kills until it has no child",
        ),
        prove_clean: Support::guaranteed("waitpid says ECHILD to the subreaper of the task"),
        name_leftovers: Support::guaranteed(
            "a last look at the keeper's tree, with pid, start time and state",
        ),
        name_left_behind: Support::guaranteed("a look at the keeper's tree after the linger"),
        ask_first: Support::guaranteed("SIGTERM and SIGCONT through pidfds, awaited by notification"),
        end_fork_storm: Support::guaranteed("the keeper walks the tree and kills faster than it can grow"),
        end_other_users: Support::best_effort(
            "kill(2)",
            "an ordinary user may not signal them: they are reported as survived, with EPERM as the reason",
        ),
        end_with_harness: Support::guaranteed(
            "the keeper's socket reads end of file, however the harness died",
        ),
        outlive_helpers: Support::guaranteed(
            "keepers do not need the supervisor, the supervisor inherits what a dead keeper kept, and where both \
             are dead the harness or a sweep ends what bears the task's mark and never calls it clean",
        ),
        sweep: Support::best_effort(
            "the journal, and SPAWNER_TASK_ID in the environment of every member, with its session and all below",
            "where the keeper was killed too, a member that cleared its environment, left the session and was \
             orphaned is missed; so the verdict is `unverified` at best",
        ),
        detach: Support::guaranteed("the task's keeper stays, and other harnesses talk to it"),
        exact_exit: Support::guaranteed("the keeper waits for the task's main process itself"),
        stream_output: Support::guaranteed("pipes, bounded by the kernel's pipe size"),
        terminal: Support::guaranteed("a pseudo-terminal of the task's own, its controlling terminal"),
        signal: Support::guaranteed("the keeper signals its own unreaped child"),
        limit_memory: Support::unsupported(NO_LIMITS),
        limit_pids: Support::unsupported(NO_LIMITS),
        limit_cpu: Support::unsupported(NO_LIMITS),
        usage: Support::guaranteed("wait4(2), summed over all that was reaped"),
        container: Support::unsupported(
            "its tasks are processes of this host: use a backend of kind `podman`",
        ),
        unchanged_view: Support::guaranteed("nothing but a session of its own and SPAWNER_TASK_ID"),
    }
}

fn subreaper() -> Capabilities {
    Capabilities {
        end_everything: Support::guaranteed(
            "orphans fall to the task's keeper, which kills until it has no child; but for those in a pid namespace \
             that a member entered and did not make",
        ),
        prove_clean: Support::guaranteed(
            "waitpid says ECHILD to the subreaper of the task, which orphans in a pid namespace that a member entered and \
             did not make do not fall to",
        ),
        ..common()
    }
}

fn cgroup() -> Capabilities {
    Capabilities {
        end_everything: Support::guaranteed("cgroup.kill, atomic against forking, and the keeper besides"),
        prove_clean: Support::guaranteed("populated 0 in cgroup.events, and ECHILD"),
        end_fork_storm: Support::guaranteed("cgroup.kill, atomic against forking"),
        end_other_users: Support::guaranteed("cgroup.kill asks for no permission on the members"),
        sweep: Support::best_effort(
            "the journal, the control group's name, and SPAWNER_TASK_ID in the environment",
            "where the keeper was killed too, a member that left the control group and cleared its environment is \
             missed; so the verdict is `unverified` at best",
        ),
        limit_memory: Support::guaranteed("memory.max, and the oom_kill count of the group"),
        limit_pids: Support::guaranteed("pids.max"),
        limit_cpu: Support::guaranteed("cpu.max"),
        ..common()
    }
}

fn pid_namespace() -> Capabilities {
    Capabilities {
        end_everything: Support::guaranteed("killing the namespace's init makes the kernel kill the rest"),
        prove_clean: Support::guaranteed("the init can be reaped only after all others are gone, and ECHILD"),
        end_fork_storm: Support::guaranteed("the kernel kills the whole namespace at once"),
        end_other_users: Support::guaranteed("the kernel kills the whole namespace, whoever its members are"),
        sweep: Support::guaranteed("the kernel ends the namespace with its init, and that with its keeper"),
        unchanged_view: Support::unsupported(
            "the task's pids are others, and it does not see the host's processes",
        ),
        ..common()
    }
}

fn job_object() -> Capabilities {
    Capabilities {
        end_everything: Support::guaranteed("TerminateJobObject, on a job that no member can leave"),
        prove_clean: Support::guaranteed("the job's own count: ActiveProcesses is 0"),
        name_leftovers: Support::guaranteed("the job's process list, with pid, creation time and program"),
        name_left_behind: Support::guaranteed("the job's process list after the linger"),
        ask_first: Support::best_effort(
            "CTRL_BREAK to the task's process group, and WM_CLOSE to the windows of its members",
            "CTRL_BREAK takes a console that harness and task share; a member with neither a window nor that \
             console hears nothing before force",
        ),
        end_fork_storm: Support::guaranteed(
            "TerminateJobObject, which ends all members in one call, repeated until the count is 0",
        ),
        end_other_users: Support::guaranteed("TerminateJobObject asks for no permission on the members"),
        end_with_harness: Support::guaranteed(
            "kill-on-close: the kernel closes a dead harness's handles, however it died",
        ),
        outlive_helpers: Support::guaranteed("there is no helper: the kernel keeps the job"),
        sweep: Support::guaranteed(
            "the kernel ended all with the harness; the sweep sees that there is no such job, and closes the record",
        ),
        detach: Support::unsupported(
            "the kernel ends a job with the last handle to it, and there is no helper that would hold one on",
        ),
        exact_exit: Support::guaranteed("GetExitCodeProcess on the main process's own handle, all 32 bits"),
        stream_output: Support::guaranteed("pipes of a fixed size"),
        terminal: Support::unsupported("there are no pseudo-terminals on Windows in this backend yet"),
        signal: Support::best_effort(
            "SIGINT and SIGBREAK as CTRL_BREAK, SIGKILL as TerminateProcess",
            "Windows has no other signals: they are refused; and CTRL_BREAK takes a console that harness and task \
             share",
        ),
        limit_memory: Support::best_effort(
            "JobMemoryLimit, on what the job has committed",
            "an allocation beyond it fails, and how the task ends of that is its own affair: it is told as its exit \
             code, not as out of memory",
        ),
        limit_pids: Support::guaranteed("ActiveProcessLimit; threads are not counted"),
        limit_cpu: Support::guaranteed("a hard cap of the job's CPU rate"),
        usage: Support::guaranteed("the job's accounting, of all that was ever in it"),
        container: Support::unsupported(
            "its tasks are processes of this host: use a backend of kind `podman`",
        ),
        unchanged_view: Support::guaranteed(
            "nothing but a job, a console process group of its own and SPAWNER_TASK_ID",
        ),
    }
}

fn process_group() -> Capabilities {
    Capabilities {
        end_everything: Support::best_effort(
            "the task's session, and a walk over the process tree",
            "a member that left the session is missed once its parents have ended",
        ),
        prove_clean: Support::unsupported("members can be missed, so the best verdict is `unverified`"),
        name_leftovers: Support::best_effort("a walk over the process tree", "a missed member is not named"),
        name_left_behind: Support::best_effort(
            "a walk over the process tree",
            "a missed member is not named",
        ),
        end_fork_storm: Support::best_effort(
            "a walk over the process tree",
            "the tree may grow faster than the walk",
        ),
        end_with_harness: Support::best_effort(
            "the keeper's socket reads end of file, however the harness died",
            "what the walk over the process tree misses is not ended",
        ),
        outlive_helpers: Support::best_effort(
            "keepers do not need the supervisor",
            "orphans of a dead keeper are found by the task's mark only, and what took it off is missed",
        ),
        usage: Support::best_effort("wait4(2)", "what the task did not wait for itself is not counted"),
        ..common()
    }
}
