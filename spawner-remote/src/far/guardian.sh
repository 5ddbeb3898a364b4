# shellcheck shell=sh disable=SC2034,SC2154 # The parts are read together.
# The guardian of one task: its ancestor, who holds it, ends it and says what became of it. Set before this:
#   _id       the task's id, and the mark
#   _reply    where the agent takes what is said to the harness
#   _life     a pipe that only the agent holds open for writing: its end of file is the harness's death
#   _folder   where files may be made; empty where nowhere
#   _group    the folder of the task's own control group, made here; empty where there is none
#   _reaper   1 where this process is a subreaper
#   _tick     how long one wait is, for sleep(1), and _span in hundredths of a second; _slow how long one is where nobody
#             is in a hurry, in _ratio ticks
#   _grace    how many ticks what was asked to end may take, where the harness is dead; _deadline how many at least what was
#             ended by force
#   _alone    1 where the task leads a session of its own
#   _prog     the program's name, _path the PATH that the task is given where it is, _cwd its folder or empty
#   _keep     1 for a detached task: its output and its end are kept in the folder
#   _native   the account's own LC_ALL after an x, or empty
#   _more     how many bytes of words come by standard input: _cwd, _prog, _path and "$@"
#   "$@"      what executes the task: env(1), setsid(1), the program and its arguments

# Descriptors: 3 4 5 are the task's own streams, 6 takes what is said, 7 is the pipe of events.

tell() {
    printf '%s %s\n' "$_id" "$*" >&6
}

# Waits until the agent is dead. Where its pipes are FIFOs, opening one that had no other writer would wait for ever, so it
# is opened for writing too, a moment later; and nobody else removes them.
await_death() {
    case $_life in
    /proc/*) { read -r _line; } 2>/dev/null <"$_life" ;;
    *)
        {
            sleep "$_slow"
            [ ! -p "$_life" ] || : 6<>"$_life"
        } 2>/dev/null &
        { read -r _line; } 2>/dev/null <"$_life"
        rm -f "${_life%.life}".*
        ;;
    esac
}

# Waits for the harness's death, and tells the guardian, who ends this when all is done. Where the guardian is killed,
# before that or meanwhile, it does what can be done without it.
lifeline() {
    exec 6>&-
    await_death
    echo orphaned >&7
    [ -n "$_proc" ] || exit
    while look_at self && [ "$_parent" = $$ ]; do nap "$_slow" "$_span"; done
    [ -z "$_group" ] || echo 1 >"$_group/cgroup.kill"
    end_remains "$_id" "$_task" "$_began"
    [ -z "$_group" ] || remove_group "$_group"
}

watch_over() {
    _watch=''
    [ -z "$_keep" ] || return 0
    lifeline &
    _watch=$!
    began "$_watch"
    _watch_began=$_start
}

# A wait is a child that writes a line, since read has no time limit here. Only those who wait for long wait slowly.
wait_a_tick() {
    [ -z "$_ticker" ] || return 0
    _wait=$_tick _step=1
    [ "$_idle" -lt 50 ] || _wait=$_slow _step=$_ratio
    _idle=$((_idle + 1))
    (
        exec 6>&-
        nap "$_wait" "$_span"
        echo tick >&7
    ) &
    _ticker=$!
    began "$_ticker"
    _ticker_began=$_start
}

# Nobody asks a detached task for long, and what has ended below it is to be taken all the same, lest it fill the host. bash
# takes it at any time.
doze() {
    if [ -n "$_dozer" ] || [ -n "${BASH_VERSION-}" ]; then return 0; fi
    (
        exec 6>&-
        nap 5 500
        echo dozed >&7
    ) &
    _dozer=$!
    began "$_dozer"
    _dozer_began=$_start
}

# Ends who dozes, and its sleep(1).
rouse() {
    [ -n "$_dozer" ] || return 0
    kids_of "$_dozer"
    for _pid in $_kids; do
        look_at "$_pid" && [ "$_parent" = "$_dozer" ] && strike KILL "$_pid" "$_start"
    done
    kill -s KILL "$_dozer"
}

# How the task ended, from its status and the last line of `jobs`.
say_exit() {
    _status=$1
    if [ "$_status" -le 128 ]; then
        _exit="exited $_status"
    else
        case $_job in
        *'Done('* | *'Exit '* | *'Done ('*) _exit="exited $_status" ;;
        '') _exit="unclear $_status" ;;
        *core*) _exit="signalled $((_status - 128)) core" ;;
        *) _exit="signalled $((_status - 128))" ;;
        esac
    fi
    # What was asked to end by nobody but this has no status of its own.
    [ -z "$_orphan" ] || _exit=orphaned
    _unsaid="exit $_exit"
    [ -z "$_keep$_orphan" ] || note
    tell "exit $_exit"
}

# Who ended meanwhile is not counted; but where all did, something ran that was another process each time.
report() {
    members
    _count=0
    for _one in $_all; do
        if [ "$_count" -lt 64 ] && [ -n "$_proc" ]; then
            runs "${_one%:*}" || continue
            plain
            tell "member ${_one%:*} ${_one#*:} $_state $_name"
        elif [ "$_count" -lt 64 ]; then
            tell "member ${_one%:*} 0 ? _"
        fi
        _count=$((_count + 1))
    done
    [ "$_count" -gt 0 ] || [ -z "$_all" ] || _count=1
    tell "members $_count $1"
}

remove_pipe() {
    case $_pipe in /proc/*) ;; *) rm -f "$_pipe" ;; esac
}

# Everything is gone: says so, gives back what was made, and leaves.
leave() {
    if [ -n "$_group" ] && ! remove_group "$_group"; then _kept=' group-kept'; else _kept=''; fi
    _by=''
    [ -z "$_group" ] || _by=' group'
    [ -z "$_reaper" ] || _by="$_by children"
    [ -n "$_by" ] || { [ -n "$_proc" ] && _by=' marks' || _by=' session'; }
    note "gone by$_by"
    tell "gone by$_by$_kept"
    remove_pipe
    # Own children that nobody has reaped yet: their numbers are theirs.
    [ -z "$_watch" ] || kill -s KILL "$_watch"
    [ -z "$_ticker" ] || wait "$_ticker"
    rouse
    exit 0
}

# note [LINE]: writes down what was not yet, for whoever asks later: nobody may listen now, or be another one than
# before. What is heard is removed by the agent.
note() {
    [ -n "$_folder" ] || return 0
    {
        [ -z "$_unsaid" ] || echo "$_unsaid"
        [ -z "${1-}" ] || echo "$1"
    } >>"$_folder/$_id.end"
    _unsaid=''
}

# Whether an orphan has had its grace: by the clock, since on a busy host a wait takes longer than it says.
had_grace() {
    if [ -n "$_orphaned" ] && clock; then
        # Both are cut off below a hundredth.
        [ $((_now - _orphaned)) -gt $((_grace * _span)) ]
    else
        [ "$_ticks" -ge "$_grace" ]
    fi
}

# After every event: is it over; is it time for the next rung? Where the harness lives, the rungs are its orders.
consider() {
    _lonely=''
    if [ -z "$_watch$_keep" ] && [ -n "$_task" ]; then
        command eval watch_over
        [ -n "$_watch" ] || _lonely=1
    fi
    if [ -z "$_exit$_forced$_asked$_lonely" ]; then
        [ -z "$_keep" ] || [ -z "$_task" ] || doze
        return 0
    fi
    [ -z "$_exit$_forced$_asked" ] || ! is_empty || leave
    if [ -n "$_orphan" ] && [ -z "$_forced" ] && had_grace; then _forced=1 _ticks=0; fi
    if [ -n "$_forced" ]; then
        force
        is_empty && leave
        if [ -n "$_orphan" ] && [ "$_ticks" -ge "$_deadline" ]; then
            members
            note "survived $_all"
            remove_pipe
            [ -z "$_watch" ] || kill -s KILL "$_watch"
            rouse
            exit 1
        fi
    elif [ -n "$_exit" ] && [ -z "$_left" ]; then
        _left=1
        tell left
    fi
    wait_a_tick
}

heed() {
    case $_word in
    '['*) case $_rest in *Running* | *Stopped*) ;; *) _job="$_word $_rest" ;; esac ;;
    task)
        # Who watches over it is started when this is considered.
        _task=${_rest% *} _began=${_rest#* }
        ;;
    unborn) refuse process ;;
    ended)
        wait "$_keeper"
        _keeper=''
        say_exit "$_rest"
        ;;
    tick)
        [ -z "$_ticker" ] || wait "$_ticker"
        _ticker='' _ticks=$((_ticks + _step))
        ;;
    dozed)
        wait "$_dozer"
        _dozer=''
        reap
        ;;
    orphaned)
        _orphan=1 _asked=1 _ticks=0 _idle=0
        if clock; then _orphaned=$_now; fi
        if [ "$_grace" -gt 0 ]; then signal_all TERM; else _forced=1; fi
        ;;
    ask)
        _asked=1 _idle=0
        if [ "$_rest" = leader ]; then
            signal_leader TERM && signal_leader CONT
        else
            signal_all TERM
        fi
        ;;
    signal)
        if signal_leader "$_rest"; then tell 'signal sent'; else tell 'signal missed'; fi
        ;;
    force) _forced=1 _idle=0 ;;
    check)
        if parent_is_dead; then
            # The task killed it: nobody can say how that one ends.
            wait "$_keeper"
            _keeper='' _exit=lost _unsaid='exit lost'
            tell 'exit lost'
        fi
        ;;
    adopt)
        # Another agent, on another connection: it hears and holds from now on.
        [ "$_reply" = "${_rest% *}" ] || tell "taken ${_rest% *}"
        _reply=${_rest% *} _life=${_rest#* }
        [ -p "$_reply" ] && exec 6<>"$_reply"
        if [ -n "$_watch" ]; then kill -s KILL "$_watch" && wait "$_watch"; fi
        watch_over
        tell "adopted $_task $_began"
        [ -z "$_exit" ] || tell "exit $_exit"
        ;;
    look)
        doubt_parent
        report "$_rest"
        ;;
    esac
}

# No process could be made: goes on all the same, as after a wait. Where nobody could be made to watch over this, it looks
# for itself whether the agent is there; but a FIFO stays.
bide() {
    idle "$_span"
    if [ -z "$_watch$_keep$_orphan" ] && [ ! -p "$_life" ]; then echo orphaned >&7; fi
    echo tick >&7
}

guard() {
    _own='' _boot='' _proc='' _job='' _exit='' _left='' _asked='' _forced='' _orphan='' _orphaned='' _unsaid=''
    _began=0 _idle=0 _start=0 _step=1
    _keeper='' _watch='' _ticker='' _dozer='' _task='' _ticks=0
    printf '\036spawner %s\n' "$_id"
    printf '\036spawner %s\n' "$_id" >&2
    # Not for writing alone: where it is a FIFO and the agent is dead, that would wait for ever.
    exec 3<&0 4>&1 5>&2 6<>"$_reply"
    exec </dev/null >/dev/null 2>/dev/null
    if look_at $$; then
        _proc=1 _own=$_start
        { read -r _boot; } </proc/sys/kernel/random/boot_id
    fi
    _done=''
    command eval 'prepare "$@"; _done=1'
    [ -n "$_done" ] || refuse process
    trap '' PIPE
    exec 3<&- 4>&- 5>&-
    cd /
    while read -r _word _rest; do
        _done=''
        command eval 'heed; consider; _done=1'
        [ -n "$_done" ] || bide
    done <&7
}

guard "$@"
