#!/bin/bash
# A wine of its own for tests of Windows programs: all of it lies below DIR, nothing else is touched.
#
#   scripts/wine.sh up DIR                    makes it
#   scripts/wine.sh tests DIR FOLDER PROGRAM  runs each test of a test program in a process of its own, in FOLDER
#   scripts/wine.sh cases DIR FOLDER PROGRAM  the same for the cases of a conformance suite
#   scripts/wine.sh run DIR LIMIT COMMAND...  runs a Windows program for at most LIMIT seconds
#   scripts/wine.sh down DIR                  ends it, and says what was left running in it
#
# `tests` and `cases` tell the results in cargo's words. A test that fails is not tried again; but where the wineserver crashed while
# it ran (wine 8 does at times), nothing is known of the test. Then a new server runs it, at most 4 times in all, and 6 such
# crashes are excused as long as DIR lives. Each is told, and noted in DIR/crashes.
set -uo pipefail

readonly LIMIT=120 TRIES=4 EXCUSED=6
say() { printf '%s\n' "$*"; }
die() { say "wine.sh: $*" >&2 && exit 1; }
usage() { sed -n '4,8s/^#   //p' "${BASH_SOURCE[0]}" >&2 && exit 2; }

(($# >= 2)) || usage
verb=$1 dir=$(realpath --canonicalize-missing "$2")
shift 2
export WINEPREFIX=$dir/prefix WINEARCH=win64 WINEDEBUG=-all HOME=$dir/home RUST_BACKTRACE=0
# No menus on this host's desktop, and no questions about what is not installed.
export WINEDLLOVERRIDES='winemenubuilder.exe,mscoree,mshtml='
# Names of Unix that mean nothing, or something else, to a Windows program.
unset DISPLAY WAYLAND_DISPLAY SPAWNER_STATE_DIR TMPDIR XDG_STATE_HOME

# Wine's loader is linked to a place below 2 GiB. Its heap, for which the kernel chooses a place above at random, may lie where
# Windows has the page that all processes share: then it ends at once, and whoever wanted the process gets error 1359
# (docs/windows.md). Here no heap is moved.
steady=(setarch --addr-no-randomize)
"${steady[@]}" true 2>/dev/null || steady=()

# ---- What runs -----------------------------------------------------------------------------------------------

# What runs in this prefix and is no part of wine itself, with ALL also that.
running() {
    local process command
    for process in /proc/[0-9]*; do
        tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -qxF "WINEPREFIX=$WINEPREFIX" || continue
        [[ $(sed -n 's/^State:\t\(.\).*/\1/p' "$process/status" 2>/dev/null) != [ZX] ]] || continue
        command=$(tr '\0' ' ' 2>/dev/null <"$process/cmdline")
        case $command in
            '' | *wine.sh\ * | *'sed -n s/^State'*) continue ;;
            *wineserver* | *'\services.exe'* | *'\winedevice.exe'* | *'\plugplay.exe'* | *'\svchost.exe'* | \
                *'\explorer.exe'* | *'\rpcss.exe'* | *'\conhost.exe'*'--server'* | "$dir/desktop.exe "*)
                [[ ${1-} == all ]] || continue
                ;;
        esac
        say "process ${process#/proc/}: ${command:0:150}"
    done
}

# ---- The server, as a child of a shell that notes how it ended -----------------------------------------------

# Debian's wine keeps its socket in a folder of its own below /tmp, which the prefix names.
socket() {
    local place
    read -r place 2>/dev/null <"$WINEPREFIX/wineserver" || [[ -n ${place-} ]] || return 1
    printf '%s\n' /tmp/"$place"/server-*/socket
}

# Comes back when it can be reached: a program that did not find it would start another.
server_up() {
    local deadline=$((SECONDS + 20)) stale
    stale=$(socket) && rm -f "$stale"
    rm -f "$dir/server-ended"
    : >"$dir/server.log"
    # shellcheck disable=SC2016  # The inner shell expands it.
    setsid bash -c 'wineserver --foreground --persistent; echo $? >"$1/server-ended"' - "$dir" \
        </dev/null >"$dir/server.log" 2>&1 &
    until [[ -S $(socket) ]]; do
        if ((SECONDS >= deadline)) || server_gone; then die "the wineserver does not come up"; fi
        sleep 0.05
    done
}

# A desktop, which Windows has before anybody runs. Wine makes it for whoever asks for a window first, as a child of that
# one, which waits for ten seconds; and takes it away when nobody is left. This one stays, and belongs to no test.
desktop_up() {
    local deadline=$((SECONDS + 60))
    : >"$dir/desktop.log"
    setsid "${steady[@]}" wine "$dir/desktop.exe" </dev/null >"$dir/desktop.log" 2>&1 &
    until grep -q '^up' "$dir/desktop.log"; do
        if server_gone; then return; fi
        ((SECONDS < deadline)) || die "the desktop does not come up: $(tail -n 3 "$dir/desktop.log")"
        sleep 0.05
    done
}

# Ends the server, and with it all that runs there. What has lost its server, as after a crash, has to be killed.
server_down() {
    local deadline=$((SECONDS + 20)) process
    until server_gone; do
        ((SECONDS < deadline)) || return 1
        wineserver --kill 2>/dev/null
        sleep 0.1
    done
    until [[ -z $(running all) ]]; do
        ((SECONDS < deadline)) || return 1
        for process in $(running all | sed 's/^process \([0-9]*\):.*/\1/'); do
            kill -KILL "$process" 2>/dev/null
        done
        sleep 0.1
    done
}

# It ended, or there never was one.
server_gone() { [[ -e $dir/server-ended || ! -e $dir/server.log ]]; }

server_again() {
    server_down || die "the wineserver cannot be ended"
    server_up
    desktop_up
}

# Whether the server crashed: it says so, or a signal ended it that nobody sent (SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV).
server_crashed() {
    local deadline=$((SECONDS + 2))
    # It may be dying still.
    until [[ -s $dir/server-ended ]]; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
    case $(($(<"$dir/server-ended") - 128)) in
        4 | 6 | 7 | 8 | 11) return 0 ;;
        *) grep -q '^wineserver crashed' "$dir/server.log" ;;
    esac
}

# ---- Tests ---------------------------------------------------------------------------------------------------

# Waits for at most ten seconds until nothing runs, and says what does.
nothing_runs() {
    local deadline=$((SECONDS + 10)) left
    while left=$(running "$@") && [[ -n $left ]]; do
        ((SECONDS < deadline)) || { say "$left" && return 1; }
        sleep 0.2
    done
}

# Notes that the server crashed, and brings another up.
crashed() {
    say "$1" >>"$dir/crashes"
    say "the wineserver crashed $1 with status $(<"$dir/server-ended"): crash $(wc -l <"$dir/crashes") of this run"
    server_again
}

# attempt NAME LIMIT COMMAND...: runs it, with its output in $output and its status in $status; again where the server
# crashed meanwhile.
attempt() {
    local name=$1 limit=$2 try
    shift 2
    if server_gone; then crashed "before $name"; fi
    for ((try = 1; ; try++)); do
        once "$limit" "$@"
        if ((status == 0)) || ! server_crashed; then break; fi
        crashed "during $name"
        if ((try >= TRIES)) || (($(wc -l <"$dir/crashes") > EXCUSED)); then break; fi
    done
    # What ran for too long goes on within.
    if ((status == 124 || status == 137)); then server_again; fi
}

# What has lost its server may wait for it for ever, so it is not waited for.
once() {
    local limit=$1 running
    shift
    # A shell has its background jobs ignore Ctrl-C, and wine keeps to that.
    timeout --kill-after=10 "$limit" "${steady[@]}" env --default-signal=INT wine "$@" >"$dir/output" 2>&1 </dev/null &
    running=$!
    while kill -0 "$running" 2>/dev/null; do
        if server_gone; then sleep 1 && kill "$running" 2>/dev/null && break; fi
        sleep 0.05
    done
    wait "$running"
    status=$?
    output=$(tr -d '\0' <"$dir/output")
}

# Whether a process was being made when its maker died: wine's loader, which waits for ever and runs nothing. It bears the
# loader's name still, which it gives up for its program's.
is_half_born() {
    [[ $(tr '\0' ' ' 2>/dev/null </proc/"$1"/cmdline) == /usr/lib/wine/wine64\ * ]] &&
        [[ $(sed -n 's/^Threads:\t//p' /proc/"$1"/status 2>/dev/null) == 1 ]]
}

# What runs no longer is fine; the half born are told, and ended.
nobody_runs() {
    local left process
    left=$(nothing_runs) && return 0
    while read -r _ process _; do
        is_half_born "${process%:}" || { say "$left" && return 1; }
    done <<<"$left"
    say "test nobody_is_half_born ... skipped: wine keeps what was being made when its maker died: $(wc -l <<<"$left") of it"
    server_again
}

# What `tests` and `cases` count: passed, failed, skipped.
p=0 f=0 s=0

tests() {
    local program=$1 name names output status
    attempt "the list of $program" "$LIMIT" "$program" --list --format terse
    names=$(sed -n 's/: test\r\?$//p' <<<"$output")
    [[ $status == 0 && -n $names ]] || { say "$output" && die "$program tells no tests"; }
    while read -r name; do
        attempt "$name" "$LIMIT" "$program" --exact "$name" --test-threads=1 --show-output
        case $status,$(grep -a "^test result: " <<<"$output") in
            0,*' 1 passed; 0 failed; 0 ignored;'*) p=$((p + 1)) ;;
            0,*' 0 passed; 0 failed; 1 ignored;'*) s=$((s + 1)) ;;
            *)
                failed_test "$name"
                continue
                ;;
        esac
        grep -aE "^test |skipped" <<<"$output" | grep -av '^test result: '
        # What a test could not look at here, with the reason.
        sed -nE "s/^ +not asserted([^:]*): (.*)/test ${name//\//-}, in part\1 ... skipped: \2/p" <<<"$output"
    done <<<"$names"
    result
}

# A suite runs all cases whose names contain the one that is asked for.
cases() {
    local program=$1 name names shorter=' ' part counts output status
    attempt "the list of $program" "$LIMIT" "$program" --list
    names=$(sed -n 's/: test\r\?$//p' <<<"$output")
    [[ $status == 0 && -n $names ]] || { say "$output" && die "$program tells no cases"; }
    while read -r name; do
        for part in $shorter; do [[ $name != *"$part"* ]] || continue 2; done
        shorter+="${name#*::} "
        attempt "$name" "$LIMIT" "$program" "$name"
        counts=$(sed -nE 's/^[^ ]+, as [^:]*: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped.*/\1 \2 \3/p' <<<"$output")
        if ((status == 0)) && [[ $counts =~ ^([0-9]+)\ 0\ ([0-9]+)$ ]] && [[ $counts != '0 0 0' ]]; then
            p=$((p + BASH_REMATCH[1])) s=$((s + BASH_REMATCH[2]))
            grep -aE '\.\.\. |: skipped ' <<<"$output"
        else
            failed_test "$name"
        fi
    done < <(awk '{ print length, $0 }' <<<"$names" | sort -n -s | cut -d ' ' -f 2-)
    result
}

failed_test() {
    f=$((f + 1))
    say "test $1 ... FAILED (status $status$( ((status != 124)) || echo ", over its limit of $LIMIT s"))"
    grep -av "^test result: " <<<"$output"
    # What it left is its own fault, and disturbs no other.
    server_again
}

# The last words. A process that outlives its test is a fault of the test, or of what it tests.
result() {
    if nobody_runs; then
        p=$((p + 1)) && say "test nothing_runs_any_more ... ok"
    else
        f=$((f + 1)) && say "test nothing_runs_any_more ... FAILED"
        server_again
    fi
    say "test result: $( ((f == 0)) && echo ok || echo FAILED). $p passed; $f failed; $s ignored;"
    ((f == 0))
}

run() {
    local limit=$1 output status
    shift
    attempt "$1" "$limit" "$@"
    say "$output"
    return "$status"
}

# ---- Up and down ---------------------------------------------------------------------------------------------

# Rust's standard library takes its random numbers from a DLL that wine 8 does not have.
random_numbers() {
    printf '%s\n' '#include <windows.h>' \
        'BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);' \
        '__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T size) {' \
        '    return SystemFunction036(to, (ULONG)size);' \
        '}' >"$dir/random.c"
    x86_64-w64-mingw32-gcc -shared -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" \
        "$dir/random.c" -ladvapi32
}

# Has the desktop, and keeps it.
desktop() {
    printf '%s\n' '#include <windows.h>' '#include <stdio.h>' \
        'int main(void) {' \
        '    if (!GetDesktopWindow()) return 1;' \
        '    puts("up");' \
        '    fflush(stdout);' \
        '    Sleep(INFINITE);' \
        '}' >"$dir/desktop.c"
    x86_64-w64-mingw32-gcc -o "$dir/desktop.exe" "$dir/desktop.c" -luser32
}

up() {
    mkdir -p "$WINEPREFIX" "$HOME"
    : >"$dir/crashes"
    server_up
    timeout --kill-after=10 300 "${steady[@]}" wine wineboot --init >"$dir/boot.log" 2>&1 </dev/null ||
        die "wine does not come up: $(tail -n 3 "$dir/boot.log")"
    [[ -e $WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll ]] || random_numbers
    ((${#steady[@]} > 0)) ||
        say "test no_heap_is_in_the_way ... skipped: addresses cannot be kept from being random here, so wine may fail to start a process"
    desktop && desktop_up
}

down() {
    local place left=0
    server_down || { say "the wineserver does not end" && left=1; }
    nothing_runs all || left=1
    place=$(socket) && rm -rf "$(dirname "$(dirname "$place")")"
    return "$left"
}

case $verb in
    up) up ;;
    tests)
        (($# == 2)) || usage
        cd "$1" && tests "$2"
        ;;
    cases)
        (($# == 2)) || usage
        cd "$1" && cases "$2"
        ;;
    run)
        (($# >= 2)) || usage
        run "$@"
        ;;
    down) down ;;
    *) usage ;;
esac
