# shellcheck shell=sh disable=SC2034,SC2154 # The parts are read together.
# What an agent finds out about its host. The variables are the agent's.

# Where files may be made, and last beyond this connection.
choose_folder() {
    for _dir in "${HOME-}/.local/state" "${HOME-}" /var/tmp /tmp /dev/shm "${XDG_RUNTIME_DIR-}"; do
        case $_dir in '' | [!/]* | *[!A-Za-z0-9/._-]*) continue ;; esac
        if [ ! -d "$_dir" ] || [ ! -w "$_dir" ]; then continue; fi
        _try=$_dir/spawner-$_uid
        [ -d "$_try" ] || apart mkdir -m 700 "$_try" 2>/dev/null
        # Another's folder of that name, or a link to one, is not ours to use.
        if [ -d "$_try" ] && [ ! -L "$_try" ] && [ -O "$_try" ] && [ -w "$_try" ]; then
            _folder=$_try
            return 0
        fi
    done
    return 1
}

# has PROGRAM: where it is. Not by `command`, which names what the shell has built in.
has() {
    _ifs=$IFS
    IFS=:
    for _dir in $PATH; do
        _found=$_dir/$1
        case $_dir in [!/]* | *[!A-Za-z0-9/._-]*) continue ;; esac
        [ -f "$_found" ] && [ -x "$_found" ] && break
        _found=''
    done
    IFS=$_ifs
    [ -n "$_found" ]
}

# Whether a process that was made a subreaper by the words before does inherit what its children leave.
inherits() {
    # shellcheck disable=SC2016,SC2086
    apart "$@" $_shell -c '(sleep 1 &); read -r a </proc/$$/task/$$/children; test -n "$a" && kill $a' 2>/dev/null
}

# is_timer KIND: whether what was found can wait in place of bash, where that is to be asked; it is used from now on.
is_timer() {
    _reaper=$1 _with=$_found
    [ -z "${BASH_VERSION-}" ] || [ "$(echo 0 | timer 8>&- 9>&-)" = tick ] || {
        _reaper=''
        return 1
    }
}

probe_reaper() {
    [ -r /proc/$$/task/$$/children ] || return 1
    case $(uname -m 9>&-) in
    x86_64) _call=157 ;;
    aarch64 | riscv64 | loongarch64) _call=167 ;;
    ppc64*) _call=171 ;;
    i?86 | arm* | s390*) _call=172 ;;
    *) _call='' ;;
    esac
    # A program of that name may be another one; what it says and does is what counts.
    if has spawner && case $("$_found" --version 9>&-) in 'spawner '[0-9]*) ;; *) false ;; esac &&
        inherits "$_found" as-subreaper && is_timer spawner; then
        say "fact reaper spawner $_found"
    elif [ -n "$_call" ] && has perl && inherits "$_found" -e "$_perl" "$_call"; then
        is_timer perl
        say "fact reaper perl $_call $_found"
    elif has python3 && inherits "$_found" -ISc "$_python"; then
        is_timer python
        say "fact reaper python $_found"
    fi
}

# A control group (v2) below the own one, that processes can be put into, and ended by one write.
probe_group() {
    _mount=''
    while read -r _ _ _ _at _on _rest; do
        case "$_rest" in *' - cgroup2 '*) _mount=$_on && [ "$_at" = / ] && break ;; esac
    done </proc/self/mountinfo
    case $_mount in '' | *\\*) return 1 ;; esac
    while IFS= read -r _line; do
        case $_line in 0::*) _own_group=${_line#0::} ;; esac
    done </proc/self/cgroup
    _base=$_mount${_own_group%/}
    _try=$_base/spawner-probe-$$
    apart mkdir "$_try" 2>/dev/null || return 1
    _fine=''
    if [ -w "$_try/cgroup.kill" ] && (echo 0 >"$_try/cgroup.procs") 2>/dev/null; then _fine=1; fi
    remove_group "$_try"
    [ -z "$_fine" ] || say "fact group $_base"
}

probe() {
    say "fact boot $_boot"
    say "fact account $_uid"
    say "fact system $(uname -sm 9>&-)"
    say "fact processors $({ nproc || getconf _NPROCESSORS_ONLN; } 9>&-)"
    [ -z "$_proc" ] || say "fact proc"
    has setsid && say "fact setsid $_found"
    if has env; then
        say "fact env $_found"
        apart "$_found" --default-signal=INT "$_found" && say "fact signals"
    fi
    if apart sleep 0.001; then
        _tick=0.02
        say "fact fractions"
    fi
    [ -z "$_folder" ] || say "fact folder $_folder"
    [ -n "$_proc" ] || return 0
    while read -r _key _value; do [ "$_key" != btime ] || say "fact up $_value"; done </proc/stat
    probe_group
    probe_reaper
}
