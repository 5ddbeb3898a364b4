#!/bin/bash
# Measures spawner beside what a user would pick instead, and writes docs/compare.md, docs/compare.json and the plots.
#
#   scripts/compare.sh [--quick] [--only NAME] [--out FOLDER]
#
# --quick takes under five minutes once all is built, and its figures are rough; without it, under thirty. --only runs
# what has NAME in its name: life, program, destroy, death, latency, many, rate, output, containers, remote, matrix. The pages go
# to docs/, or to FOLDER. Run it on a machine that does nothing else.
#
# The peers come from the package registries: programs with apt-get (as root on Debian), Python's into a virtual
# environment below target/, crates as dependencies of compare/. What could not be had is named on the page, with the
# reason. As root all of it runs, and the matrix as root and as the ordinary account `tester`.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

readonly ACCOUNT=tester
out=docs
arguments=()
while (($# > 0)); do
    case $1 in
        --quick) arguments+=(--quick) ;;
        --only) arguments+=(--only "${2:?}") && shift ;;
        --out) out=${2:?} && shift ;;
        *) sed -n '4s/^#   //p' "$0" >&2 && exit 2 ;;
    esac
    shift
done

root=false
((EUID == 0)) && root=true
absent() {
    echo "not to be had: $1: $2" >&2
    arguments+=(--absent "$1" "$2")
}

# A folder that everybody may enter, and whose path is short enough for sockets.
scratch=$(mktemp --directory /tmp/compare.XXXXXX) || exit 1
chmod 755 "$scratch"
engine=
server=
finish() {
    # Nothing interrupts it, nor does it end because nobody reads any more what it says.
    trap '' INT TERM HUP PIPE
    if [[ -n $server ]]; then scripts/sshd.sh down "$server" || echo "something was left of $server" >&2; fi
    if [[ -n $engine ]]; then scripts/podman.sh down "$engine" >/dev/null || echo "something was left of $engine" >&2; fi
    rm -rf "$scratch"
}
trap finish EXIT
# A signal ends the measuring, and then this; so does the end of who reads what is said, as Ctrl-C is for both.
trap 'exit 130' INT TERM HUP PIPE
# Nothing is put on record among the user's own tasks.
export SPAWNER_STATE_DIR=$scratch/state TMPDIR=$scratch

# ---- Peers ---------------------------------------------------------------------------------------------------

missing=()
while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
done <<'LIST'
bwrap bubblewrap
cc gcc
dumb-init dumb-init
perl perl
/usr/bin/python3 python3
setpriv util-linux
ssh openssh-client
/usr/sbin/sshd openssh-server
tini tini
timeout coreutils
LIST
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]} > 0)); then
    if $root && command -v apt-get >/dev/null; then
        echo "installing ${missing[*]}" >&2
        export DEBIAN_FRONTEND=noninteractive
        for package in "${missing[@]}"; do
            { apt-get install --yes --no-install-recommends "$package" ||
                { apt-get update && apt-get install --yes --no-install-recommends "$package"; }; } \
                >"$scratch/apt.log" 2>&1 || absent "$package" "$(tail -n 1 "$scratch/apt.log")"
        done
    else
        absent "${missing[*]}" "not installed, and only root can: apt-get install ${missing[*]}"
    fi
fi

# Debian's own Python, since an ordinary account may not reach another one.
python=$PWD/target/compare-python
if [[ ! -x $python/bin/python ]] || ! "$python/bin/python" -c 'import psutil, avocado' 2>/dev/null; then
    { /usr/bin/python3 -m venv "$python" && "$python/bin/pip" install --quiet psutil avocado-framework; } \
        >"$scratch/pip.log" 2>&1 || absent "psutil, avocado-framework" "$(tail -n 1 "$scratch/pip.log")"
fi
if "$python/bin/python" -c 'import psutil, avocado' 2>/dev/null; then
    arguments+=(--python "$python/bin/python")
fi

# An engine of its own, without which there are no containers.
if scripts/podman.sh up "$scratch/podman" >"$scratch/podman.env" 2>"$scratch/podman.log"; then
    engine=$scratch/podman
    # shellcheck source=/dev/null
    . "$scratch/podman.env"
else
    absent podman "$(tail -n 1 "$scratch/podman.log")"
fi

# A server of its own, without which there is no other machine.
if scripts/sshd.sh up "$scratch/sshd" >"$scratch/sshd.env" 2>"$scratch/sshd.log"; then
    server=$scratch/sshd
    # shellcheck source=/dev/null
    . "$scratch/sshd.env"
else
    absent sshd "$(tail -n 1 "$scratch/sshd.log")"
fi

if $root; then
    if id "$ACCOUNT" >/dev/null 2>&1 || /usr/sbin/useradd --create-home --shell /bin/sh "$ACCOUNT"; then
        arguments+=(--account "$ACCOUNT")
    fi
fi

# ---- Both programs, as they are released ---------------------------------------------------------------------

echo "building …" >&2
cargo build --quiet --release --bin spawner || exit 1
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
cargo build --quiet --release --manifest-path compare/Cargo.toml --target-dir "$target/compare" || exit 1

# ---- Measuring -----------------------------------------------------------------------------------------------

# Thousands of tasks at once have thousands of descriptors.
ulimit -n "$(ulimit -Hn)" || echo "descriptors cannot be raised to $(ulimit -Hn)" >&2
"$target/compare/release/compare" "${arguments[@]}" --spawner "$target/release/spawner" --out "$out"
