# shellcheck shell=sh disable=SC2034,SC2154 # The parts are read together.
# Who helps a guardian, and how they are known: who watches over it, and who waits for it. The variables are the guardian's.

# nap TIME HUNDREDTHS: waits, both being the same time; by the clock where no process can be made to wait with.
nap() {
    _napped=''
    command eval 'sleep "$1"; _napped=1'
    [ -n "$_napped" ] || idle "$2"
}

# has_number PID: whether a helper had that number. Who is reaped before its last word is read may have lost it to a member
# by now.
has_number() {
    case $1 in
    "$_keeper") _since=$_keeper_began ;;
    "$_watch") _since=$_watch_began ;;
    "$_ticker") _since=$_ticker_began ;;
    "$_dozer") _since=$_dozer_began ;;
    "$_timer") _since=$_timer_began ;;
    *) return 1 ;;
    esac
}

is_helper() {
    has_number "$1" && look_at "$1" && [ "$_start" = "$_since" ]
}

# began PID: when the helper did that was just started here.
began() {
    if [ -n "$_proc" ]; then look_at "$1"; fi
}

# Waits until the agent is dead. Where its pipes are FIFOs, opening one that had no other writer would wait for ever, so it
# is opened for writing too, a moment later.
await_death() {
    case $_life in
    /proc/*) { read -r _line; } 2>/dev/null <"$_life" ;;
    *)
        {
            sleep "$_slow"
            [ ! -p "$_life" ] || : 6<>"$_life"
        } 2>/dev/null &
        { read -r _line; } 2>/dev/null <"$_life"
        ;;
    esac
}

# remove_life LIFE: removes the pipes of a dead agent, where they are FIFOs: nobody else does. Not before all is ended that may
# have filled the limit of processes.
remove_life() {
    case $1 in /proc/*) ;; *) rm -f "${1%.life}".* ;; esac
}

# Waits for the harness's death, and tells the guardian, who ends this when all is done. Where the guardian is killed,
# before that or meanwhile, it does what can be done without it.
lifeline() {
    exec 3<&- 4>&- 5>&- 6>&-
    await_death
    echo "orphaned $_life" >&7
    [ -n "$_proc" ] || exit
    while is_child self; do nap "$_slow" "$_span"; done
    [ -z "$_group" ] || echo 1 >"$_group/cgroup.kill"
    end_remains "$_id" "$_task" "$_began"
    [ -z "$_group" ] || remove_group "$_group"
    remove_life "$_life"
}

watch_over() {
    _watch=''
    [ -z "$_keep" ] || return 0
    lifeline &
    _watch=$!
    began "$_watch"
    _watch_began=$_start
}

# Whether it needs nobody to watch over it, where bash had better make no process.
can_look() {
    case $_life in /proc/*) has_timer ;; *) false ;; esac
}

# later TIME HUNDREDTHS WORD: makes a child that writes the word then, since read has no time limit here.
later() {
    (
        exec 6>&-
        nap "$1" "$2"
        echo "$3" >&7
    ) &
    _child=$!
    began "$_child"
}

has_timer() {
    [ -n "$_timer" ] && runs "$_timer" "$_timer_began"
}

# Only those who wait for long wait slowly.
wait_a_tick() {
    case $_ticker in
    '') ;;
    timer) has_timer && return 0 ;;
    *) return 0 ;;
    esac
    _wait=$_tick _step=1
    [ "$_idle" -lt 50 ] || _wait=$_slow _step=$_ratio
    _idle=$((_idle + 1))
    if has_timer; then
        echo "$_wait" >&"$_asks"
        _ticker=timer
    elif [ -n "${BASH_VERSION-}" ] && [ -n "$_proc" ] && [ -n "$_orphan" ]; then
        # Nobody is left to see it end for want of a process, so it makes none.
        _step=1
        idle "$_span"
        echo tick >&7
        _ticker=none
    else
        later "$_wait" "$_span" tick
        _ticker=$_child _ticker_began=$_start
    fi
}

finish_tick() {
    case $_ticker in [0-9]*) wait "$_ticker" ;; esac
}

# Nobody asks a detached task for long, and what has ended below it is to be taken all the same, lest it fill the host. bash
# takes it at any time.
doze() {
    if [ -n "$_dozer" ] || [ -n "${BASH_VERSION-}" ]; then return 0; fi
    later 5 500 dozed
    _dozer=$_child _dozer_began=$_start
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

# Ends who helps and holds nothing of the task.
dismiss() {
    [ -z "$_watch" ] || kill -s KILL "$_watch"
    ! has_timer || strike KILL "$_timer" "$_timer_began"
    rouse
}
