# shellcheck shell=sh disable=SC2034,SC2154 # The parts are read together.
# What the agent and the guardian share. Names begin with an underscore, so that no exported variable of the
# account is overwritten. Nothing here may need a program where a builtin does.

# Where no process can be made, since a task has filled the limit of its account, dash and ash give up what they are at:
# the shell itself, or what was called by `command eval` (POSIX: by `command`, an error of a special builtin does not end
# the shell). bash ends after some seconds whatever is done, so what it needs then is made before the task is; its `read -t`,
# which would wait without a process, was seen to leave SIGALRM blocked (5.2), and so to wait for ever.

# apart COMMAND…: without the pipe that guardians hang on. Not by a redirection of the command: for that dash closes its
# own for a moment, in which a guardian finds nothing at its address, and takes the harness for dead.
apart() {
    command eval '(
        exec 9>&-
        exec "$@"
    )'
}

# clock: _now in hundredths of a second since the host came up.
clock() {
    _now=''
    { read -r _now _line; } 2>/dev/null </proc/uptime
    _now=${_now%.*}${_now#*.}
    case $_now in '' | 0* | *[!0-9]*) return 1 ;; esac
}

# idle HUNDREDTHS: waits without a process.
idle() {
    clock || return 0
    _until=$((_now + $1))
    while clock && [ "$_now" -lt "$_until" ]; do :; done
}

# timer: becomes what reads times in seconds, and writes `tick` when each has passed. What made the subreaper can do that.
timer() {
    # shellcheck disable=SC2016 # They are perl's.
    case $_reaper in
    perl) exec "$_with" -lne 'BEGIN{$|=1}select undef,undef,undef,$_;print"tick"' ;;
    python)
        exec "$_with" -ISc 'import sys,time
any(print("tick",flush=True) for line in sys.stdin if not time.sleep(float(line)))'
        ;;
    spawner) exec "$_with" as-timer ;;
    esac
}

# hire: has a timer wait in place of bash, told by _asks, where something there can be one; its ticks are events. Not known to
# other shells: a pipe of a coprocess is closed in all else that bash makes.
hire() {
    _timer=''
    if [ -z "${BASH_VERSION-}" ] || [ -z "$_reaper" ]; then return 0; fi
    eval 'coproc { exec >&7 3<&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; timer; }; _timer=$COPROC_PID _asks=${COPROC[1]}'
}

# slurp FILE: _text is all of its lines, or nothing where it is gone. Line by line, bash goes back in a file to what it has not
# used yet: where that changes meanwhile, to the middle of a number; and where it is gone, what is left is taken for the
# beginning of whatever is read next (5.2). So nothing of several lines that may change is read so; dash and ash go on byte by
# byte.
slurp() {
    # Where a read fails, bash leaves the variable as it is.
    _text=''
    if [ -n "${BASH_VERSION-}" ]; then
        # shellcheck disable=SC3045
        read -r -d '' _text
    else
        while read -r _line; do _text="$_text$_line "; done
    fi 2>/dev/null <"$1"
}

# look_at PID: what /proc says of it now; fails where it is not there. A name may hold any byte, so there may be several lines,
# and the last parenthesis counts.
look_at() {
    slurp "/proc/$1/stat"
    [ -n "$_text" ] || return 1
    _name=${_text#*\(}
    _name=${_name%\)*}
    # shellcheck disable=SC2086 # It is to be split.
    set -- ${_text##*\)}
    _state=$1 _parent=$2 _pgrp=$3 _session=$4 _threads=${18} _start=${20}
}

# runs PID [START]: whether it runs, and is the one that started then. A zombie does not, unless threads of it do.
runs() {
    look_at "$1" || return 1
    case $_state in [ZXx]) [ "$_threads" -gt 1 ] || return 1 ;; esac
    [ -z "${2-}" ] || [ "$_start" = "$2" ]
}

# is_child PID: whether it is a child of the shell that this text began in; of a part of that, `self` tells whether the shell
# lives. In status, the parent comes sooner than the end of stat; but bash reads that at once.
is_child() {
    if [ -n "${BASH_VERSION-}" ]; then
        look_at "$1" && [ "$_parent" = $$ ]
    else
        _key='' _value=''
        while read -r _key _value && [ "$_key" != PPid: ]; do :; done </proc/"$1"/status
        [ "$_key $_value" = "PPid: $$" ]
    fi
}

# strike SIGNAL PID START: signals it if it is still the one. Between the look and the signal lies one system
# call; a shell has nothing better.
strike() {
    [ "$2" -gt 1 ] && runs "$2" "$3" && kill -s "$1" "$2" 2>/dev/null
}

# plain: makes the name of a process fit for one word of a line.
plain() {
    _plain=''
    while [ -n "$_name" ]; do
        _rest=${_name#?}
        _char=${_name%"$_rest"}
        _name=$_rest
        case $_char in [A-Za-z0-9._:@%+/-]) ;; *) _char=_ ;; esac
        _plain=$_plain$_char
    done
    _name=${_plain:-_}
}

# kids_of PID: the children of all of its threads.
kids_of() {
    _kids=''
    for _file in /proc/"$1"/task/[0-9]*/children; do
        _line=''
        { read -r _line; } 2>/dev/null <"$_file"
        case $_line in *[!0-9\ ]*) ;; *) _kids="$_kids $_line" ;; esac
    done
}

# tree_of PID…: these and all below them, each once, the nearest first; each is visited by _visit, if that is set, until that
# fails.
tree_of() {
    _tree='' _todo=$*
    while [ -n "$_todo" ]; do
        # shellcheck disable=SC2086
        set -- $_todo
        _todo=''
        for _pid; do
            case "$_tree " in *" $_pid "*) continue ;; esac
            [ -z "$_visit" ] || "$_visit" || return 0
            _tree="$_tree $_pid"
            kids_of "$_pid"
            # shellcheck disable=SC2086
            [ -z "${_kids# }" ] || _todo="$_todo $_kids"
        done
    done
}

# scan PATTERN FILE: _scanned is in whose /proc/PID/FILE that is found. What was not looked through, since grep(1) could not be
# started or was killed, makes _blind; that some are gone by then makes its status 2.
scan() {
    _scanned=''
    _files=$(LC_ALL=C grep -l "$1" /proc/[0-9]*/"$2" 2>/dev/null 9>&-)
    case $? in [012]) ;; *) _blind=1 ;; esac
    for _file in $_files; do
        _file=${_file#/proc/}
        _scanned="$_scanned ${_file%/*}"
    done
}

# marked ID: who has the mark of the task in its environment.
marked() {
    scan "SPAWNER_TASK_ID=$1" environ
    _marked=$_scanned
}

# in_session SID: who is of that session. A name may look like the numbers, so what is found is looked at.
in_session() {
    _members=''
    scan ") [A-Za-z] [0-9]* [0-9]* $1 " stat
    for _pid in $_scanned; do
        look_at "$_pid" && [ "$_session" = "$1" ] && _members="$_members $_pid"
    done
}

# grouped FOLDER: who is in that control group or below it.
grouped() {
    _grouped=''
    for _file in "$1"/cgroup.procs "$1"/*/cgroup.procs "$1"/*/*/cgroup.procs "$1"/*/*/*/cgroup.procs; do
        [ -e "$_file" ] || continue
        slurp "$_file"
        _grouped="$_grouped $_text"
    done
}

# populated FOLDER: whether anything is in that control group or below it, by the kernel's word.
populated() {
    [ -d "$1" ] || return 1
    slurp "$1/cgroup.events"
    case $_text in *'populated 0'*) return 1 ;; esac
}

# clear_group FOLDER: removes it with what the task made below it, if nothing is in it.
clear_group() {
    apart rmdir "$1" 2>/dev/null && return
    apart find "$1" -depth -type d -exec rmdir {} + 2>/dev/null ||
        apart rmdir "$1"/*/*/*/ "$1"/*/*/ "$1"/*/ "$1" 2>/dev/null
    [ ! -d "$1" ]
}

# remove_group FOLDER: again and again for two seconds, while who ended there has not left it, or zombies leave no room for
# rmdir(1).
remove_group() {
    clock
    _give_up=$((_now + 200))
    while [ -d "$1" ] && ! clear_group "$1"; do
        clock && [ "$_now" -lt "$_give_up" ] || return 1
        idle 2
    done
}

# remains ID LEADER START: what can be found of a task that has no guardian: by mark, by the session that its
# leader made while that one lives, and all below. Sets _found to words pid:start, and _blind where that may not be all.
remains() {
    _blind=''
    marked "$1"
    _roots=$_marked
    if runs "$2" "$3"; then
        in_session "$2"
        _roots="$_roots $_members"
    fi
    # shellcheck disable=SC2086
    tree_of $_roots
    _found=''
    for _pid in $_tree; do
        runs "$_pid" && _found="$_found $_pid:$_start"
    done
    _found=${_found# }
}

# end_remains ID LEADER START: ends them by force, again and again, until nothing is found, or for so long.
end_remains() {
    _round=0
    while remains "$1" "$2" "$3" && [ -n "$_found$_blind" ] && [ "$_round" -lt 40 ]; do
        _round=$((_round + 1))
        for _one in $_found; do strike KILL "${_one%:*}" "${_one#*:}"; done
        [ "$_round" -lt 5 ] || apart sleep "$_tick"
    done
}

# own_pipe: an anonymous pipe of this process, both ends of it, as descriptor 7, that others of this account can
# open by its address. A here-document is one in dash, ash and bash from 5.1 on, if it is not empty; else a FIFO in a
# folder.
own_pipe() {
    _pipe=/proc/$$/fd/7
    exec 7<<'PIPE'
x
PIPE
    if [ -p "$_pipe" ]; then
        read -r _line <&7
        exec 7<>"$_pipe"
    elif [ -n "$_folder" ] && (umask 077 && mkfifo "$_folder/$1"); then
        # Not `mkfifo -m`: it needs /proc in some versions.
        _pipe=$_folder/$1
        exec 7<>"$_pipe"
    else
        return 1
    fi
}
