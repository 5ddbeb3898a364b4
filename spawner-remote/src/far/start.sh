# shellcheck shell=sh disable=SC2034,SC2154 # The parts are read together.
# What a guardian does before there is a task, and how it starts that. The variables are the guardian's.

refuse() {
    [ -z "$_group" ] || remove_group "$_group"
    dismiss
    [ -z "$_keep" ] || apart rm -f "$_folder/$_id.out" "$_folder/$_id.err"
    note 'gone by never'
    remove_pipe
    tell "refused $*"
    exit 125
}

# The shell would find the program missing only after the fork, and say so on the task's own stderr.
find_program() {
    case $_prog in
    */*) set -- "$_prog" ;;
    *)
        set -f
        _ifs=$IFS
        IFS=:
        # shellcheck disable=SC2086
        set -- ${_path-$PATH}:
        IFS=$_ifs
        set +f
        for _dir; do
            shift
            set -- "$@" "${_dir:-.}/$_prog"
        done
        ;;
    esac
    _why=not-found
    for _file; do
        [ -e "$_file" ] && _why=not-executable
        [ -f "$_file" ] && [ -x "$_file" ] && return 0
    done
    return 1
}

# announce PID START: to the guardian and to the harness.
announce() {
    echo "task $1 $2" >&7
    tell "started $1 $2 ${_boot:--} $$ ${_own:-0} $_pipe"
}

# Becomes the task. It is announced before the first instruction of its own, since it may kill its parent.
become() {
    if [ -n "$_proc" ]; then
        look_at self
        announce "${_text%% *}" "$_start"
    fi
    [ -z "$_group" ] || echo 0 >"$_group/cgroup.procs" || exit 125
    case $_native in x*) LC_ALL=${_native#x} ;; *) unset LC_ALL ;; esac
    exec "$@" <&3 >&4 2>&5 3<&- 4>&- 5>&- 6>&- 7>&-
}

# The task's parent. It only waits: how a job ended is told apart by `jobs`, since the status alone does not tell
# 137 from SIGKILL. Its lines go to the guardian as they are.
parent() {
    command eval 'become "$@" & _task=$!'
    if [ -z "$_task" ]; then
        echo unborn >&7
        exit
    fi
    trap '' PIPE
    exec 3<&- 4>&- 5>&-
    [ -n "$_proc" ] || announce "$_task" 0
    if [ -n "${BASH_VERSION-}" ]; then
        # bash forgets a job that was waited for, so it is asked when the signal comes.
        trap 'jobs >&7; _seen=1' CHLD
        jobs >&7
        while
            _seen=''
            wait "$_task"
            _status=$?
            [ -n "$_seen" ]
        do :; done
        trap - CHLD
    else
        wait "$_task"
        _status=$?
        jobs >&7
    fi
    echo "ended $_status" >&7
}

# Ends this where the harness dies, or is stopped, before it says what is to be done. Of the two, the one who is killed by
# the other does no more; so who is left knows whether anything was started.
doubt_harness() {
    exec 3<&- 4>&- 5>&- 6>&- 7<&-
    await_death
    [ -z "$_proc" ] || is_child self || exit
    kill -s KILL $$
    remove_pipe
    remove_life "$_life"
    [ -n "$_proc" ] || exit
    while is_child self; do nap "$_tick" "$_span"; done
    note 'gone by never'
}

# All that comes before the task, and its start.
prepare() {
    own_pipe "$_id" || refuse pipe
    hire
    [ -z "$_timer" ] || began "$_timer"
    _timer_began=$_start
    # The words come once the harness has seen the line above. Half of them is another command, and not ours.
    _whole=''
    if [ -z "$_keep" ]; then
        doubt_harness &
        _watch=$!
    fi
    _words=$(head -c "$_more" <&3)
    case $_words in *'
_whole=1') eval "$_words" ;; esac
    _words=''
    [ -z "$_watch" ] || { kill -s KILL "$_watch" && wait "$_watch"; }
    _watch=''
    [ -n "$_whole" ] || refuse words
    if [ -n "$_cwd" ]; then
        case $_cwd in -) _cwd=./- ;; esac
        cd -P -- "$_cwd" || refuse cwd
    fi
    find_program || refuse "$_why"
    if [ -n "$_group" ]; then mkdir "$_group" || refuse group; fi
    if [ -n "$_keep" ]; then
        umask 077
        # Not by exec first: where that fails, so does the shell.
        { true >>"$_folder/$_id.out" && true >>"$_folder/$_id.err"; } || refuse folder
        exec 3</dev/null 4>>"$_folder/$_id.out" 5>>"$_folder/$_id.err"
    fi
    [ -z "${BASH_VERSION-}" ] || watch_over
    parent "$@" &
    _keeper=$!
    began "$_keeper"
    _keeper_began=$_start
}
