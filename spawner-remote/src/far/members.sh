# shellcheck shell=sh disable=SC2034,SC2154 # The parts are read together.
# The members of the guardian's task: who they are, whether there are any, and how they are signalled. The variables are
# the guardian's.

# Takes the zombies, for which some shells have to be asked what became of their jobs.
reap() {
    jobs >/dev/null
}

# Whether the time _limit has not come, if there is one.
in_time() {
    [ -z "$_limit" ] || ! clock || [ "$_now" -lt "$_limit" ]
}

# Those below whom all members are, by the mechanisms at hand. Helpers have no members below them but the task's parent, whose
# only child is the task. Sets _blind where there may be more.
roots() {
    _roots='' _blind=''
    if [ -n "$_reaper" ]; then
        # Else there may be more of them than can be looked at while as many come.
        reap
        kids_of $$
        _begotten=$_kids
        for _pid in $_begotten; do
            if ! is_helper "$_pid"; then
                _roots="$_roots $_pid"
            elif [ "$_pid" = "$_keeper" ]; then
                kids_of "$_pid"
                _roots="$_roots $_kids"
            fi
        done
    fi
    if [ -n "$_group" ]; then
        grouped "$_group"
        _roots="$_roots $_grouped"
    fi
    if [ -z "$_reaper$_group" ] && [ -n "$_proc" ]; then
        marked "$_id"
        _members=''
        [ -z "$_alone" ] || in_session "$_task"
        _roots="$_roots $_marked $_members"
    fi
}

# The members, as words pid:start; where there is a _limit, as many as are found until then.
members() {
    roots
    _all=''
    if [ -n "$_proc" ]; then
        # shellcheck disable=SC2086
        tree_of $_roots
        for _pid in $_tree; do
            in_time || break
            [ "$_pid" != $$ ] && runs "$_pid" && _all="$_all $_pid:$_start"
        done
    elif kill -0 "-$_task" 2>/dev/null; then
        _all=" $_task:0"
    fi
    _all=${_all# }
}

# Whether nothing is left, and by whose word. Zombies are taken first: they stand among the children until then.
is_empty() {
    if [ -n "$_keeper" ]; then
        doubt_parent
        return 1
    fi
    if [ -n "$_group" ] && populated "$_group"; then return 1; fi
    if [ -n "$_reaper" ]; then
        strangers || return 0
        reap
        strangers && return 1
        return 0
    fi
    [ -n "$_group" ] && return 0
    # A look that is cut short proves nothing.
    _limit='' _visit=''
    members
    [ -z "$_all$_blind" ]
}

parent_is_dead() {
    [ -n "$_keeper" ] && [ -n "$_proc" ] && ! runs "$_keeper" "$_keeper_began"
}

# What the task's parent said before it ended, or was killed, stands in the pipe; so that is read first.
doubt_parent() {
    if parent_is_dead; then echo check >&7; fi
}

# Whether there are children that are no helpers. Who cannot look has not seen that there are none.
strangers() {
    _line='' _opened=''
    {
        _opened=1
        read -r _line
    } 2>/dev/null </proc/$$/task/$$/children
    [ -n "$_opened" ] || return 0
    for _pid in $_line; do has_number "$_pid" || return 0; done
    for _pid in $_line; do is_helper "$_pid" || return 0; done
    return 1
}

# The main process alone, which its parent has not reaped while it says nothing.
signal_leader() {
    if [ -n "$_proc" ]; then
        strike "$1" "$_task" "$_began"
    else
        [ -n "$_keeper" ] && [ -n "$_task" ] && kill -s "$1" "$_task"
    fi
}

# signal_all SIGNAL. Stopped members hear it once they go on.
signal_all() {
    members
    for _one in $_all; do
        if [ -z "$_proc" ]; then
            kill "-$1" "-$_task"
            [ "$1" = KILL ] || kill -CONT "-$_task"
        else
            strike "$1" "${_one%:*}" "${_one#*:}" || continue
            [ "$1" = TERM ] || continue
            case $_state in [Tt]) strike CONT "${_one%:*}" "${_one#*:}" ;; esac
            [ -z "$_orphan" ] || ! had_grace || break
        fi
    done 2>/dev/null
}

# Whoever is asked stands still meanwhile where that can be had: a shell may take longer to find all of them than they take to
# become others, or have all processors but for moments.
stand() {
    [ -z "$_group" ] || echo "$1" >"$_group/cgroup.freeze"
}

# Asks everybody to end. An orphan is not looked for longer than its grace.
ask_all() {
    [ -z "$_orphan" ] || [ -z "$_orphaned" ] || _limit=$((_orphaned + _grace * _span / 2)) _visit=in_time
    stand 1
    signal_all TERM
    stand 0
    _limit='' _visit=''
}

# Ends whole process groups of orphans, in one step each: who follows another faster than a shell can look at them all is of
# the same group. What is in a session from below the guardian is of the task. The last child is the youngest, and the one
# most likely to be there still when it is looked at; one that is the last again is left to the others' blows.
chase() {
    look_at $$ || return 0
    _ours=$_session _round=0 _hit=''
    while [ "$_round" -lt 100 ]; do
        _round=$((_round + 1))
        _line=''
        { read -r _line; } 2>/dev/null </proc/$$/task/$$/children
        _line=${_line##* }
        if [ -z "$_line" ] || [ "$_line" = "$_hit" ]; then return 0; fi
        _hit=$_line
        look_at "$_hit" || continue
        if [ "$_parent" != $$ ] || [ "$_session" = "$_ours" ] || [ "$_pgrp" -lt 2 ]; then return 0; fi
        kill -KILL "-$_pgrp" 2>/dev/null
    done
}

# Ends the main process, and own children, each as soon as it is seen: whose parent is ended is the next child. On processors
# that the task has all taken, walking through it may take longer than ending it.
fell() {
    _round=0 _felled=1
    while [ -n "$_felled" ] && [ "$_round" -lt 5 ]; do
        _round=$((_round + 1)) _felled=''
        if [ -n "$_keeper" ] && [ -n "$_task" ] && strike KILL "$_task" "$_began"; then _felled=1; fi
        kids_of $$
        for _pid in $_kids; do
            if ! has_number "$_pid" && is_child "$_pid"; then kill -KILL "$_pid" && _felled=1; fi
        done
        reap
    done
}

# Blows at everything; what is born meanwhile gets the next one. What takes longer gets more of them later.
force() {
    _blow=0
    while [ "$_blow" -lt 10 ]; do
        _blow=$((_blow + 1))
        [ -z "$_group" ] || echo 1 >"$_group/cgroup.kill"
        if [ -n "$_reaper" ]; then
            chase
            fell
            _bouts=$((_bouts + 1))
            # What was below them is next, after a wait; but who goes deep has to be walked through.
            [ -z "$_felled" ] || [ "$_bouts" -gt 3 ] || return 0
        fi
        signal_all KILL
        [ -n "$_all" ] || return 0
    done
}
