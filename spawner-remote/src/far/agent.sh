# shellcheck shell=sh disable=SC2034,SC2154 # The parts are read together.
# The agent of one connection: carries words between the harness and the guardians, holds the lease, looks when it is
# asked to. It starts no task. Set before this:
#   _nonce    what the harness knows this connection by
#   _beat     how long one beat of the lease is, for sleep(1), and _span in hundredths of a second; after _beats of them
#             without a word it is over
#   _lease    how many whole seconds make as much, for a sleep(1) that knows no fractions
#   _folder   where files may be made; empty to choose one
#   _shell    the words of the shell in use
#   _perl     what makes a subreaper of perl(1), by the number of prctl(2), and what does of python3(1)
#   _python

# Descriptors: 7 the pipe of the lease, 8 takes what is said, 9 is what every guardian hangs on. What is started
# here must not hold 9: only this process's life counts. So all of that is started `apart`.

say() {
    printf '%s\n' "$*" >&8
}

# The pipes: for what is said, for the guardians to hang on, for the lease.
open_pipes() {
    own_pipe "$_nonce.say" || return 1
    # shellcheck disable=SC2094 # It is a pipe.
    exec 8>"$_pipe" 6<"$_pipe" 7<&-
    case $_pipe in /proc/*) _reply=/proc/$$/fd/8 ;; *) _reply=$_pipe ;; esac
    cat <&6 8>&- &
    exec 6<&- >/dev/null
    own_pipe "$_nonce.life" || return 1
    exec 9>"$_pipe" 7<&-
    case $_pipe in /proc/*) _life=/proc/$$/fd/9 ;; *) _life=$_pipe ;; esac
    own_pipe "$_nonce.lease"
}

# Waits for one beat, and counts it where there was no word meanwhile.
beat() {
    _missed=$((_missed + 1)) _nap=''
    if [ -n "$_timer" ]; then
        echo "$_beat" >&"$_asks"
    else
        command eval 'sleep "$_beat" & _nap=$!'
        if [ -n "$_nap" ]; then wait "$_nap"; else idle "$_span"; fi
        echo tick >&7
    fi
    while read -r _line && [ "$_line" != tick ]; do _missed=0; done <&7
}

# Ends the agent, which may be stopped, and so is not asked; every guardian notices.
end_agent() {
    if [ -z "$_proc" ] || is_child self; then kill -s KILL $$; fi
}

# Counts the beats without a word from the harness. When there were too many, the agent dies. Where bash can make no process to
# wait with, and has no timer, it ends: a lease that nobody holds is over.
hold_lease() {
    exec 9>&- </dev/null
    hire
    trap 'trap - EXIT; kill $_nap $_timer; exit' TERM
    [ -z "${BASH_VERSION-}" ] || trap end_agent EXIT
    case $_beat in *.*) apart sleep 0.001 || _beat=1 _beats=$_lease _span=100 ;; esac
    # There may be tasks from now on, and no room for another process.
    say ready
    exec 8>&-
    _missed=0
    while [ "$_missed" -lt "$_beats" ]; do
        beat
        [ -z "$_proc" ] || is_child self || exit
    done
    trap - EXIT
    end_agent
    remove_pipes
}

remove_pipes() {
    case $_reply in /proc/*) ;; *) apart rm -f "$_folder/$_nonce".* ;; esac
}

# to PID START PIPE WORD…: hands words to the guardian with that identity.
to() {
    if { [ -z "$_proc" ] || runs "$1" "$2"; } && [ -p "$3" ]; then
        _pipe=$3
        shift 3
        echo "$*" 1<>"$_pipe"
    else
        say "deaf $1 $2"
    fi
}

# halt PID START GROUP: what is in the control group of a task stands still, whose guardian was told to end it by force: so
# that it need not look at what grows, on processors that are all taken. A frozen one can be killed.
halt() {
    if runs "$1" "$2" && [ -d "$3" ]; then echo 1 >"$3/cgroup.freeze"; fi
}

# look ID BOOT LEADER START GUARDIAN START GROUP: what there is of a task, whoever started it.
look() {
    if [ -z "$_proc" ]; then
        say "$1 looked unknown"
    elif [ "$2" != "$_boot" ]; then
        say "$1 looked gone boot"
    elif runs "$5" "$6"; then
        say "$1 looked guarded"
    else
        remains "$1" "$3" "$4"
        _by='marks'
        if [ "$7" != - ]; then
            _by='group marks'
            grouped "$7"
            for _pid in $_grouped; do
                case " $_found" in *" $_pid:"*) ;; *) runs "$_pid" && _found="$_found $_pid:$_start" ;; esac
            done
        fi
        for _one in $_found; do
            runs "${_one%:*}" "${_one#*:}" || continue
            plain
            say "$1 seen ${_one%:*} ${_one#*:} $_state $_name"
        done
        if [ -n "$_found" ]; then
            say "$1 looked alive"
        elif [ -n "$_blind" ]; then
            say "$1 looked unable"
        else
            say "$1 looked gone $_by"
        fi
    fi
}

# end: the same words; ends by force what is found, then looks.
end() {
    if [ -n "$_proc" ] && [ "$2" = "$_boot" ] && ! runs "$5" "$6"; then
        if [ "$7" != - ] && [ -d "$7" ]; then
            echo 1 >"$7/cgroup.kill"
            end_remains "$1" "$3" "$4"
            _round=0
            while populated "$7" && [ "$_round" -lt 20 ]; do
                _round=$((_round + 1))
                apart sleep "$_tick"
            done
            remove_group "$7"
        else
            end_remains "$1" "$3" "$4"
        fi
    fi
    look "$@"
}

# kept ID GROUP: what a guardian noted for whoever comes later; and whether the task's control group cannot be removed.
kept() {
    { while read -r _line; do say "$1 kept $_line"; done; } 2>/dev/null <"$_folder/$1.end"
    if [ "$2" != - ] && [ -d "$2" ] && { populated "$2" || ! clear_group "$2"; }; then say "$1 kept group-kept"; fi
    say "$1 kept"
}

# forget ID [output]: what is kept of a task; its end stays, where another harness may yet ask for it.
forget() {
    if [ -z "${2-}" ]; then
        apart rm -f "$_folder/$1.out" "$_folder/$1.err" "$_folder/$1.end"
    elif [ -e "$_folder/$1.out" ]; then
        apart rm -f "$_folder/$1.out" "$_folder/$1.err"
    fi
}

# What nobody has asked for in a month; but for detached tasks, whose output is there. Where a file made now is not new by
# the clock that find(1) goes by, nothing is known to be old.
tidy() {
    [ -n "$_folder" ] && has find || return 0
    (
        exec 7>&- 8>&- 9>&- </dev/null
        _now=$_folder/$_nonce.now
        : >"$_now" || exit
        # shellcheck disable=SC2016,SC2086
        [ -z "$("$_found" "$_now" -mtime -1)" ] ||
            "$_found" "$_folder" -name '*.end' -mtime +30 -exec $_shell -c \
                'for f; do [ -e "${f%.end}.out" ] || rm -f "$f"; done' sh {} +
        rm -f "$_now"
    ) &
}

serve() {
    while read -r _word _rest; do
        _done=''
        command eval 'obey; _done=1'
        # No process could be made to look with.
        [ -n "$_done" ] || case $_word in look | end) say "${_rest%% *} looked unable" ;; esac
    done
}

obey() {
    # shellcheck disable=SC2086
    case $_word in
    renew)
        echo word >&7
        say "renewed $_rest"
        ;;
    to) to $_rest ;;
    halt) halt $_rest ;;
    look) look $_rest ;;
    end) end $_rest ;;
    kept) kept $_rest ;;
    folder)
        choose_folder
        say "folder $_folder"
        tidy
        ;;
    forget) forget $_rest ;;
    esac
}

act() {
    _proc='' _boot='' _start=0 _tick=1 _own_group='' _reaper='' _with='' _nap='' _visit=''
    printf '\036spawner %s\n' "$_nonce"
    exec 2>/dev/null
    trap '' PIPE
    _uid=$(id -u)
    if look_at $$; then
        _proc=1
        { read -r _boot; } </proc/sys/kernel/random/boot_id
    fi
    _own=$_start
    open_pipes || { choose_folder && open_pipes; } || { echo 'fault pipe' && exit 125; }
    say "agent $$ $_own $_reply $_life"
    probe
    # Not before: nobody hears a renewal while this looks around.
    hold_lease &
    _holder=$!
    serve
    kill -s TERM "$_holder"
    remove_pipes
}

act
