# shellcheck shell=sh disable=SC2034,SC2154 # The parts are read together.
# The guardian of one task: its ancestor, who holds it, ends it and says what became of it. Set before this:
#   _id       the task's id, and the mark
#   _reply    where the agent takes what is said to the harness
#   _life     a pipe that only the agent holds open for writing: its end of file is the harness's death
#   _folder   where files may be made; empty where nowhere
#   _group    the folder of the task's own control group, made here; empty where there is none
#   _reaper   what made this process a subreaper, and _with where that is; empty where it is none
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

# Names who was just looked at.
name_member() {
    plain
    tell "member $_pid $_start $_state $_name"
}

# Names _pid, if it runs; as long as there is time for another.
glance() {
    if [ "$_count" -ge "$_named" ] || ! in_time; then
        _count=$((_count + 1))
        return 1
    fi
    if [ "$_pid" = $$ ] || ! runs "$_pid"; then return 0; fi
    name_member
    _count=$((_count + 1))
}

# glimpse WORD: names who runs, but no more than are found in a fifth of a second; of what was not looked at, one is counted.
glimpse() {
    _count=0
    if clock; then _limit=$((_now + 20)); fi
    roots
    _visit=glance
    # shellcheck disable=SC2086
    tree_of $_roots
    _limit='' _visit=''
    tell "members $_count $1"
}

# report WORD: who runs. Who ended meanwhile is not counted; but where all did, something ran that was another process each
# time.
report() {
    members
    _count=0
    for _one in $_all; do
        _pid=${_one%:*}
        if [ "$_count" -ge "$_named" ]; then
            :
        elif [ -n "$_proc" ]; then
            runs "$_pid" "${_one#*:}" || continue
            name_member
        else
            tell "member $_pid 0 ? _"
        fi
        _count=$((_count + 1))
    done
    [ "$_count" -gt 0 ] || [ -z "$_all$_blind" ] || _count=1
    tell "members $_count $1"
}

remove_pipe() {
    case $_pipe in /proc/*) ;; *) rm -f "$_pipe" ;; esac
    [ -z "$_dead" ] || remove_life "$_dead"
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
    dismiss
    finish_tick
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
        can_look || command eval watch_over
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
            dismiss
            exit 1
        fi
    elif [ -n "$_exit" ] && [ -z "$_left" ]; then
        _left=1
        tell left
    fi
    # Nobody could be made to watch over this; but a FIFO stays.
    if [ -n "$_lonely" ] && [ -z "$_orphan" ] && [ ! -p "$_life" ]; then echo "orphaned $_life" >&7; fi
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
        finish_tick
        _ticker='' _ticks=$((_ticks + _step))
        ;;
    dozed)
        wait "$_dozer"
        _dozer=''
        reap
        ;;
    orphaned)
        # Another agent may hold it by now.
        [ "$_rest" = "$_life" ] || return 0
        _dead=$_life _orphan=1 _asked=1 _ticks=0 _idle=0
        if clock; then _orphaned=$_now; fi
        if [ "$_grace" -gt 0 ]; then ask_all; else _forced=1; fi
        ;;
    ask)
        _asked=1 _idle=0
        if [ "$_rest" = leader ]; then
            signal_leader TERM && signal_leader CONT
        else
            ask_all
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
        _watch=''
        tell "adopted $_task $_began"
        [ -z "$_exit" ] || tell "exit $_exit"
        ;;
    look)
        doubt_parent
        case $_proc$_rest in 1*' brief') glimpse "${_rest% *}" ;; *) report "${_rest% *}" ;; esac
        ;;
    esac
}

# No process could be made: goes on all the same, as after a wait.
bide() {
    idle "$_span"
    echo tick >&7
}

guard() {
    _own='' _boot='' _proc='' _job='' _exit='' _left='' _asked='' _forced='' _orphan='' _dead='' _orphaned='' _unsaid=''
    _limit='' _visit='' _bouts=0 _named=64
    _began=0 _idle=0 _start=0 _step=1
    _keeper='' _watch='' _ticker='' _dozer='' _timer='' _task='' _ticks=0
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
        _done='' _limit='' _visit=''
        command eval 'heed; consider; _done=1'
        [ -n "$_done" ] || bide
    done <&7
}

guard "$@"
