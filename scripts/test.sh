#!/bin/bash
# Runs all the tests of this project on a Debian machine, and says how it went.
#
#   scripts/test.sh            everything
#   scripts/test.sh --quick    without the conformance suite, the benchmarks, Windows and the looking for leftovers
#
# As root it installs what is missing and proves every mechanism, and containers, as root and as an ordinary user.
# Without root it says what is missing and proves what an ordinary user has. Exits with 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

readonly ACCOUNT=tester
readonly MECHANISMS="cgroup-v2 subreaper pid-namespace process-group"
quick=false
for argument in "$@"; do
    case $argument in
        --quick) quick=true ;;
        *) echo "usage: scripts/test.sh [--quick]" >&2 && exit 2 ;;
    esac
done
root=false
((EUID == 0)) && root=true
# What is built once and never again need not be kept in pieces.
[[ -z ${CI:-} ]] || export CARGO_INCREMENTAL=0

# A folder that everybody may enter: the checkout may lie where an ordinary account cannot read. Not on a file
# system where set-uid programs lose their privilege, where there is another.
place=/tmp
if findmnt --noheadings --output OPTIONS --target /tmp 2>/dev/null | grep -qw nosuid; then place=/var/tmp; fi
scratch=$(mktemp --directory "$place/spawner-test.XXXXXX") || exit 1
logs=$scratch/logs
groups=$scratch/groups
mkdir "$scratch/bin" "$scratch/tmp" "$scratch/user" "$scratch/state" "$logs"
chmod 755 "$scratch" "$scratch/bin"
# As any folder for what is temporary: parts of some tests run as the ordinary account.
chmod 1777 "$scratch/tmp"
scripts/groups.sh >"$groups"
engines=()
trap 'trap "" INT TERM HUP PIPE; end_engines; rm -rf "$scratch"' EXIT
trap '[[ -z $running ]] || { kill "$running" && wait "$running"; }; exit 130' INT TERM HUP PIPE
export SPAWNER_TEST_RUN="$$-$RANDOM"
# Nothing of the tests is put on record among the user's own tasks.
export SPAWNER_STATE_DIR=$scratch/state/root
export TMPDIR=$scratch/tmp CARGO_TERM_COLOR=never RUST_BACKTRACE=1

# ---- What the tests need -------------------------------------------------------------------------------------

missing=()
while read -r program package; do
    command -v "$program" >/dev/null || [[ -x /usr/sbin/$program ]] || missing+=("$package")
done <<'END'
bwrap bubblewrap
busybox busybox-static
cc gcc
findmnt util-linux
fish fish
ip iproute2
iptables iptables
perl perl
ps procps
python3 python3
setpriv util-linux
shellcheck shellcheck
ssh openssh-client
sshd openssh-server
stress-ng stress-ng
tcsh tcsh
tmux tmux
unshare util-linux
END
if ((${#missing[@]} > 0)); then
    if $root && command -v apt-get >/dev/null; then
        say "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$logs/apt.log" 2>&1 ||
            tail -n 5 "$logs/apt.log"
    else
        say "not installed, and only root can: apt-get install ${missing[*]}"
    fi
fi
if ! command -v cargo >/dev/null; then
    say "cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1) or newer, see https://rustup.rs"
    exit 1
fi
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 && continue
    say "installing the component $component"
    rustup component add "${component/fmt/rustfmt}" >"$logs/rustup.log" 2>&1 || tail -n 3 "$logs/rustup.log"
done

# The ordinary account of the tests. A locked one, as useradd makes it, is refused by an sshd without PAM.
account_there() {
    id "$ACCOUNT" >/dev/null 2>&1 || /usr/sbin/useradd --create-home --shell /bin/sh "$ACCOUNT" || return 1
    [[ $(getent shadow "$ACCOUNT") != "$ACCOUNT:!"* ]] || /usr/sbin/usermod --password '*' "$ACCOUNT"
}

# ---- Engines of their own for the containers -----------------------------------------------------------------

# engine FOLDER [ARGUMENT...]: brings one up below FOLDER, with what to export in FOLDER.env.
engine() {
    local folder=$1
    shift
    engines+=("$folder")
    scripts/podman.sh up "$@" "$folder" >"$folder.env" 2>"$logs/engine.log"
}

end_engines() {
    local folder
    for folder in "${engines[@]}"; do
        scripts/podman.sh down "$folder" >/dev/null 2>&1 || say "something was left of the engine below $folder"
    done
    engines=()
}

podman=false
if engine "$scratch/podman"; then
    podman=true
    # shellcheck source=/dev/null
    . "$scratch/podman.env"
else
    skip "tests with podman" "$(tail -n 1 "$logs/engine.log")"
    export SPAWNER_SKIP=podman
fi

# ---- Reading and compiling -----------------------------------------------------------------------------------

target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
step formatting 120 cargo fmt --all --check
step lints 1200 cargo clippy --workspace --all-targets --all-features --quiet -- -D warnings
# No member of the workspace, so that its peers burden nobody's build.
step "lints of the comparison" 1200 cargo clippy --manifest-path compare/Cargo.toml --target-dir "$target/compare" \
    --locked --quiet -- -D warnings
# Built together, one crate may live on the features that another asks for.
for crate in spawner-*/; do
    step "${crate%/} alone" 600 cargo check --quiet --package "${crate%/}"
done
step tidiness 300 scripts/tidy.sh
if command -v shellcheck >/dev/null; then
    step shellcheck 120 shellcheck --external-sources scripts/*.sh .ci/run spawner-remote/src/far/*.sh
else
    skip shellcheck "it is not installed"
fi

# ---- Unit, documentation and integration tests ---------------------------------------------------------------

# Tests of other machines bring up an sshd of their own for each, with sessions of root and of an ordinary account.
apart=()
if ! $root; then
    apart=(--exclude spawner-remote)
    skip "tests with sshd" "they need root, for sessions of other accounts"
elif ! account_there; then
    apart=(--exclude spawner-remote)
    skip "tests with sshd" "the account $ACCOUNT cannot be made"
fi
step tests 3600 cargo test --workspace "${apart[@]}" --all-features --no-fail-fast
((${#apart[@]} == 0)) || step tests-without-sshd 600 cargo test --package spawner-remote --lib
# Not as they are measured: that builds for minutes, and shows no more.
$quick || step benchmarks-compile 1800 cargo bench --profile dev --workspace --bench '*' --no-run

# Times are noisy; how many instructions it takes is not.
$quick || step instructions 600 scripts/instructions.sh

# ---- The program ---------------------------------------------------------------------------------------------

program=$scratch/bin/spawner
built=false
if step program 1200 cargo build --quiet --bin spawner && cp "$target/debug/spawner" "$program"; then
    chmod 755 "$program"
    built=true
    # shellcheck disable=SC2016  # The inner shell expands it.
    step capabilities.md 60 bash -c 'diff <("$1" capabilities --format markdown) capabilities.md' - "$program"
fi

# ---- Conformance, for every mechanism, as root and as an ordinary user ---------------------------------------

as_user() {
    setpriv --reuid "$ACCOUNT" --regid "$(id -g "$ACCOUNT")" --init-groups --reset-env \
        env --chdir=/ SPAWNER_TEST_RUN="$SPAWNER_TEST_RUN" TMPDIR="$scratch/user" \
        SPAWNER_STATE_DIR="$scratch/state/user" "$@"
}

# Says why a mechanism is not to be had for whoever COMMAND... runs programs as; nothing where it is. Looks for itself:
# what spawner cannot use though it is there is a failure, not a skip.
why_not() {
    local mechanism=$1 mount own
    shift
    case $mechanism in
        cgroup-v2)
            mount=$(findmnt --noheadings --types cgroup2 --output TARGET | head -n 1)
            own=$mount$(sed -n 's/^0:://p' /proc/self/cgroup)
            if [[ -z $mount ]]; then
                echo "no cgroup v2 is mounted"
            elif ! "$@" test -w "${own%/}"; then
                echo "no control group can be made below ${own%/}"
            fi
            ;;
        pid-namespace)
            "$@" unshare --user --map-root-user --pid --fork true 2>/dev/null ||
                { [[ $* == env ]] && $root && unshare --pid --fork true 2>/dev/null; } ||
                echo "no pid namespace can be made"
            ;;
    esac
}

# conformance WHO COMMAND...: the suite for every mechanism, or `some` of it, run by COMMAND.
some=()
conformance() {
    local who=$1 mechanism why
    shift
    for mechanism in $MECHANISMS; do
        why=$(why_not "$mechanism" "$@")
        if [[ -n $why ]]; then
            skip "conformance of $mechanism as $who" "$why"
        else
            step "conformance of $mechanism as $who" 900 "$@" "$program" conformance --mechanism "$mechanism" \
                "${some[@]}"
        fi
    done
}

# crashes WHO COMMAND...: harnesses and helpers killed at system calls and at random moments, for every mechanism. At a
# third of the former: `SPAWNER_CRASH_STRIDE=1` walks through all.
crashes() {
    local who=$1 mechanism why
    shift
    for mechanism in $MECHANISMS; do
        why=$(why_not "$mechanism" "$@")
        [[ $mechanism != process-group ]] || why="its promises can be escaped, and the task of this test does so"
        if [[ -n $why ]]; then
            skip "crashes of $mechanism as $who" "$why"
        else
            step "crashes of $mechanism as $who" 300 "$@" env SPAWNER_CRASH_MECHANISM="$mechanism" \
                SPAWNER_CRASH_STRIDE=3 SPAWNER_CRASH_KILLS=60 "$scratch/bin/crash"
        fi
    done
}

# A configuration with nothing but a container's backend.
boxes=$scratch/boxes.toml
cat >"$boxes" <<'END'
default = "box"
[backend.box]
kind = "podman"
image = "localhost/busybox:latest"
pull = "never"
network = "none"
END
chmod 644 "$boxes"

# containers WHO FOLDER COMMAND...: the suite in containers of the engine below FOLDER. As root that was run as well.
containers() {
    local who=$1 folder=$2 settings
    shift 2
    mapfile -t settings < <(sed -n "s/^export //p" "$folder.env")
    step "conformance of podman as $who" 900 "$@" env "${settings[@]}" "$program" conformance --config "$boxes"
}

as_both() {
    # All of it was run as root by the tests above, for each mechanism that spawner finds. Here it has to find them.
    some=(--case daemon)
    conformance root env
    some=()
    crashes root env
    if ! account_there; then
        skip "conformance as an ordinary user" "the account $ACCOUNT cannot be made"
        return
    fi
    mkdir "$scratch/state/user"
    chown "$ACCOUNT" "$scratch/user" "$scratch/state/user"
    # Only that account may run it: it gives root to whoever can.
    local setuid=$scratch/bin/spawner-setuid
    install --owner root --group "$(id -g "$ACCOUNT")" --mode 4750 "$program" "$setuid"
    export -f as_user
    export ACCOUNT scratch
    conformance "$ACCOUNT" bash -c 'as_user "$@"' - env SPAWNER_CONFORMANCE_SETUID="$setuid"
    rm -f "$setuid"
    if ! $podman; then
        skip "conformance of podman as $ACCOUNT" "there is no podman"
    elif engine "$scratch/rootless" --user "$ACCOUNT"; then
        containers "$ACCOUNT" "$scratch/rootless" bash -c 'as_user "$@"' -
    else
        skip "conformance of podman as $ACCOUNT" "$(tail -n 1 "$logs/engine.log")"
    fi
    crashes "$ACCOUNT" bash -c 'as_user "$@"' -
    without_cgroups
}

# A host without cgroup v2, for whoever starts in a mount namespace where it was taken away.
without_cgroups() {
    local name="conformance without cgroup v2"
    if ! unshare --mount true 2>/dev/null; then
        skip "$name" "no mount namespace can be made"
        return
    fi
    # shellcheck disable=SC2016  # The inner shell expands it.
    step "$name" 900 unshare --mount sh -c '
        findmnt --noheadings --types cgroup2 --output TARGET | sort -r | while read -r mount; do
            umount --lazy "$mount" || exit 1
        done && exec "$1" conformance' - "$program"
}

if ! $quick && $built; then
    crash=$(cargo test --package spawner-process --test crash --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\)).*/\1/p')
    step crash-test-program 60 install --mode 755 "$crash" "$scratch/bin/crash"
    if $root; then
        as_both
    else
        conformance "$(id -un)" env
        crashes "$(id -un)" env
        skip "conformance as root" "this is not root"
    fi
fi

# ---- Other systems -------------------------------------------------------------------------------------------

# Slow on a machine that has not built the standard library for them yet.
if ! $quick; then
    if $root; then
        step "tests for Windows" 2400 scripts/test-windows.sh
    else
        skip "tests for Windows" "only root installs what they take; scripts/test-windows.sh runs them where all is there"
    fi
fi

# ---- What was left -------------------------------------------------------------------------------------------

for folder in "${engines[@]}"; do
    [[ ! -s $folder/kind ]] || step "nothing-left-in-${folder##*/}" 120 scripts/podman.sh down "$folder"
done
engines=()
if ! $quick; then
    step nothing-left-running 60 scripts/leftovers.sh "$groups" "$SPAWNER_TEST_RUN" "$target" "$scratch"
    # shellcheck disable=SC2016  # The inner shell expands it.
    step nothing-left-on-record 60 bash -c \
        'found=$(find "$1" -mindepth 2); [[ -z $found ]] || { printf "%s\n" "$found"; exit 1; }' - "$scratch/state"
    # shellcheck disable=SC2016  # The inner shell expands it.
    step nothing-left-lying-about 60 bash -c \
        'found=$(find "$@" -mindepth 1 -maxdepth 1); [[ -z $found ]] || { printf "%s\n" "$found"; exit 1; }' \
        - "$scratch/tmp" "$scratch/user"
fi
summary
