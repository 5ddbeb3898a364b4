#!/bin/bash
# Builds the tests for Windows and runs them under wine, then type-checks what other systems there are. On Debian.
#
#   scripts/test-windows.sh
#
# As root it installs what is missing; else, where something is, it says so and proves nothing. What Windows itself would
# say is not known by it: docs/windows.md tells what wine does in another way. Exits with 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
(($# == 0)) || { echo "usage: scripts/test-windows.sh" >&2 && exit 2; }

scratch=$(mktemp --directory) || exit 1
logs=$scratch/logs
wine=$scratch/wine
mkdir "$logs" "$scratch/tmp"
trap 'trap "" INT TERM HUP PIPE; scripts/wine.sh down "$wine" >/dev/null; rm -rf "$scratch"' EXIT
trap '[[ -z $running ]] || { kill "$running" && wait "$running"; }; exit 130' INT TERM HUP PIPE

# The last words, for people and in those of cargo, so that whoever runs this as one step counts what is in it.
finish() {
    summary
    sed -n 's/^\(.*\)\t\(.*\)$/test \2 ... skipped: \1/p' "$logs/skips" 2>/dev/null | sort -u
    say "test result: $( ((failed == 0)) && echo ok || echo FAILED). $passed passed; $failed failed; $skipped ignored;"
    exit $((failed > 0))
}

# skip, in the list of reasons too.
leave_out() {
    skip "$1" "$2"
    printf '%s\t%s\n' "$2" "$1" >>"$logs/skips"
}

# ---- What it takes -------------------------------------------------------------------------------------------

# A compiler with the sources of its standard library, since Debian has none that is built for Windows.
missing=()
while read -r file package; do
    [[ -e $file ]] || missing+=("$package")
done <<'END'
/usr/bin/cargo cargo-web
/usr/bin/rustc rustc-web
/usr/lib/rustlib/src/rust/library/std/Cargo.toml rust-web-src
/usr/bin/x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64
/usr/bin/wine wine
/usr/lib/wine/wine64 wine64
END
if ((${#missing[@]} > 0)); then
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        leave_out windows "not installed, and only root can: apt-get install --no-install-recommends ${missing[*]}"
        finish
    fi
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$logs/apt.log" 2>&1; then
        tail -n 5 "$logs/apt.log"
        leave_out windows "cannot be installed: ${missing[*]}"
        finish
    fi
fi

target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# Nobody reads backtraces here, so nothing is built for a debugger.
# Mingw leaves an empty file behind for much of what it links.
builds=(env RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_PROFILE_DEV_DEBUG=0 CARGO_TERM_COLOR=never TMPDIR="$scratch/tmp")
platform=("-Zbuild-std=std,panic_abort" --target x86_64-pc-windows-gnu --target-dir "$target/other" --locked)

# ---- Building ------------------------------------------------------------------------------------------------

# build NAME ARGUMENT...: builds test programs, whose list cargo writes into NAME.json.
build() {
    local name=$1
    shift
    # shellcheck disable=SC2016  # The inner shell expands it.
    step "build $name" 1200 bash -c 'exec "${@:2}" >"$1"' - "$scratch/$name.json" \
        "${builds[@]}" /usr/bin/cargo test --no-run --message-format=json-render-diagnostics "${platform[@]}" "$@"
}

# The test programs that were built by that name: what they test, a tab, and their file.
built() {
    grep '"reason":"compiler-artifact".*"overflow_checks":[a-z]*,"test":true}.*"executable":"' "$scratch/$1.json" |
        sed -E 's/.*"target":\{"kind":\["([a-z-]+)[^]]*\],[^}]*"name":"([^"]*)".*"executable":"([^"]*)".*/\1 \2\t\3/'
}

program=(--package spawner --no-default-features --features "process,cli")
build core --package spawner-core --features fake --lib --test '*'
build process --package spawner-process --lib --test windows
build program "${program[@]}" --lib --bins --test windows
build conformance --package spawner-conformance --test witness --test process

# ---- Running -------------------------------------------------------------------------------------------------

up=false
step "wine comes up" 400 scripts/wine.sh up "$wine" && up=true

# proves PACKAGE LIMIT NAME: the test programs of a package that were built by that name. The conformance suite has cases.
proves() {
    local package=$1 limit=$2 name=$3 verb what file
    while IFS=$'\t' read -r what file; do
        verb=tests
        [[ $package,$what != 'spawner-conformance,test process' ]] || verb=cases
        step "$package, $what" "$limit" scripts/wine.sh "$verb" "$wine" "$PWD/$package" "$file"
    done < <(built "$name")
}

if $up; then
    proves spawner-core 600 core
    proves spawner-process 900 process
    proves . 900 program
    proves spawner-conformance 1200 conformance
    while read -r crash; do
        leave_out "${crash/#/wineserver, }" "excused: it crashed, and another one ran the test anew"
    done <"$wine/crashes"
    # Every task was destroyed, so none is on record.
    # shellcheck disable=SC2016  # The inner shell expands it.
    step "nothing left on record" 60 bash -c \
        'found=$(find "$1" -path "*/AppData/Local/spawner/*"); [[ -z $found ]] || { printf "%s\n" "$found"; exit 1; }' \
        - "$wine/prefix/drive_c"
    step "nothing left running" 60 scripts/wine.sh down "$wine"
fi

# ---- Systems on which nothing can be run here ----------------------------------------------------------------

[[ ! -x scripts/check-other-systems.sh ]] || step "other systems" 1200 scripts/check-other-systems.sh
finish
