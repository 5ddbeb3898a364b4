#!/bin/bash
# An engine of its own for tests: storage, socket, settings and image lie below DIR, nothing else is touched.
#
#   eval "$(scripts/podman.sh up DIR)"                  podman, for whoever runs this (rootless where that is not root)
#   eval "$(scripts/podman.sh up --user ACCOUNT DIR)"   rootless podman of an ordinary account; as root
#   eval "$(scripts/podman.sh up --docker DIR)"         Docker Engine; as root
#   scripts/podman.sh down DIR                          ends it, and says what was left in it
#
# `up` prints what to export. The image is localhost/busybox:latest, made of busybox-static; nothing is pulled. What
# is missing is installed where root runs this on Debian, else named. `down` exits with 1 where something was left.
set -euo pipefail

readonly IMAGE=localhost/busybox:latest
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }
die() { say "podman.sh: $*" && exit 1; }
usage() { sed -n '4,7s/^#   //p' "$script" >&2 && exit 2; }

script=${BASH_SOURCE[0]:-}
kind=podman account=
(($# > 0)) || usage
verb=$1
shift
while (($# > 1)); do
    case $1 in
        --docker) kind=docker ;;
        --user) account=$2 && shift ;;
        *) usage ;;
    esac
    shift
done
if (($# != 1)) || [[ $1 == -* ]]; then usage; fi
dir=$1
[[ $dir == /* ]] || dir=$PWD/$dir
# The path of a socket has an end (unix(7)), and the engines put longer ones below.
((${#dir} <= 60)) || die "$dir is too long for the sockets below it: choose one of at most 60 letters"

# ---- What is needed ------------------------------------------------------------------------------------------

require() {
    local program package missing=()
    while read -r program package; do
        command -v "$program" >/dev/null || [[ -x $program ]] || missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        die "not installed, and only root can: apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >&2 ||
        die "cannot install ${missing[*]}"
}

packages() {
    if [[ $kind == docker ]]; then
        echo "dockerd docker.io"
    else
        printf '%s\n' "podman podman" "runc runc" "conmon conmon" "/usr/lib/podman/netavark netavark" \
            "iptables iptables" "newuidmap uidmap"
    fi
    printf '%s\n' "busybox busybox-static" "catatonit catatonit" "ps procps" "setpriv util-linux"
}

# A folder with busybox and a link for each of its programs, as an archive on standard output.
image() {
    local root=$dir/image
    mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/root"
    chmod 1777 "$root/tmp"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    cp "$(command -v busybox)" "$root/bin/busybox"
    "$root/bin/busybox" --list | grep -vx busybox | while read -r name; do
        ln -sf busybox "$root/bin/$name"
    done
    tar --create --directory "$root" --owner=0 --group=0 .
    rm -rf "$root"
}

# ---- Whoever it is of ----------------------------------------------------------------------------------------

if [[ -n $account ]]; then
    ((EUID == 0)) || die "--user is for root"
    id "$account" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh "$account"
    grep -q "^$account:" /etc/subuid || usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$account"
    [[ $verb == down ]] || require < <(packages)
    install --directory --owner "$account" --mode 700 "$dir"
    # Through standard input, since the account may not be able to read where this lies.
    exec setpriv --reuid "$account" --regid "$(id -g "$account")" --init-groups --reset-env --inh-caps=-all \
        env --chdir=/ bash -s -- "$verb" "$dir" <"$script"
fi

# Every command that talks to the engine below DIR, however this was called.
settings() {
    export CONTAINERS_CONF=$dir/containers.conf CONTAINERS_STORAGE_CONF=$dir/storage.conf
    ((EUID == 0)) || export XDG_RUNTIME_DIR=$dir/run
    unset CONTAINER_HOST DOCKER_HOST
}

alive() { [[ -s $dir/engine ]] && [[ "$(stamp "$(cut -d' ' -f1 "$dir/engine")")" == "$(cat "$dir/engine")" ]]; }

# A process is its pid and its start time; one that was killed and not reaped yet is none.
stamp() { echo "$1 $(sed 's/.*) //; /^Z/d' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20)"; }

until_there() {
    local socket=$1 pid=$2
    for _ in {1..150}; do
        "${ask[@]}" version >/dev/null 2>&1 && return
        [[ -d /proc/$pid ]] || break
        sleep 0.1
    done
    tail -n 20 "$dir/log" >&2
    die "no engine answers at $socket"
}

# ---- podman --------------------------------------------------------------------------------------------------

up_podman() {
    mkdir -p "$dir/run" "$dir/tmp" "$dir/networks"
    # crun does not go with hybrid control groups; raising limits takes CAP_SYS_RESOURCE; journald may not run.
    cat >"$dir/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$dir/tmp"
[network]
network_config_dir = "$dir/networks"
END
    cat >"$dir/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$dir/storage"
rootless_storage_path = "$dir/storage"
runroot = "$dir/run/containers"
END
    settings
    podman image exists "$IMAGE" 2>/dev/null || image | podman import --quiet - "$IMAGE" >/dev/null
    local socket=$dir/podman.sock
    # conmon leaves a file `oom` in the engine's working directory where a container ran out of memory.
    cd "$dir" || die "cannot enter $dir"
    setsid podman system service --time=0 "unix://$socket" >>"$dir/log" 2>&1 </dev/null &
    stamp $! >"$dir/engine"
    ask=(podman --url "unix://$socket")
    until_there "$socket" $!
    echo "export CONTAINER_HOST=unix://$socket"
    echo "export CONTAINERS_CONF=$CONTAINERS_CONF"
    echo "export CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF"
    ((EUID == 0)) || echo "export XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR"
}

down_podman() {
    settings
    local found
    found=$(podman ps --all --external --no-trunc --format '{{.ID}} {{.Names}} {{.Status}}')
    [[ -z $found ]] || left+=("containers: $found")
    [[ -z $found ]] || timeout 60 podman rm --all --force --time 0 --volumes >/dev/null || say "cannot remove them all"
    found=$(podman volume ls --quiet)
    [[ -z $found ]] || left+=("volumes: $found")
    end_engine
    timeout 60 podman system reset --force >/dev/null 2>>"$dir/log" || say "cannot reset: $(tail -n 1 "$dir/log")"
    # conmon stays for minutes after an exec session has ended.
    local conmon
    for conmon in $(pgrep --full "conmon .* -b $dir/storage/"); do
        kill "$conmon" || say "conmon $conmon is left"
    done
    ((EUID != 0)) || return 0
    # Files of other ids, and mounts that only the namespaces of rootless podman know; then what keeps those open.
    # shellcheck disable=SC2016  # The inner shell expands it.
    podman unshare sh -c 'umount --recursive "$1/overlay" 2>/dev/null; rm -rf "$1"' - "$dir/storage"
    find "$dir" -name pause.pid -print0 | xargs --null --no-run-if-empty cat | xargs --no-run-if-empty kill
}

# ---- Docker --------------------------------------------------------------------------------------------------

up_docker() {
    ((EUID == 0)) || die "Docker Engine is for root here"
    local socket=$dir/docker.sock
    setsid dockerd --iptables=false --bridge=none --data-root "$dir/data" --exec-root "$dir/exec" \
        --pidfile "$dir/pid" --host "unix://$socket" >>"$dir/log" 2>&1 </dev/null &
    stamp $! >"$dir/engine"
    ask=(docker --host "unix://$socket")
    until_there "$socket" $!
    "${ask[@]}" image inspect "$IMAGE" >/dev/null 2>&1 || image | "${ask[@]}" import - "$IMAGE" >/dev/null
    echo "export CONTAINER_HOST=unix://$socket"
    echo "export DOCKER_HOST=unix://$socket"
}

down_docker() {
    local docker=(docker --host "unix://$dir/docker.sock") found
    if found=$("${docker[@]}" ps --all --no-trunc --format '{{.ID}} {{.Names}} {{.Status}}' 2>/dev/null); then
        [[ -z $found ]] || left+=("containers: $found")
        [[ -z $found ]] || cut -d' ' -f1 <<<"$found" | xargs "${docker[@]}" rm --force --volumes >/dev/null
        found=$("${docker[@]}" volume ls --quiet)
        [[ -z $found ]] || left+=("volumes: $found")
    fi
    end_engine
}

# ---- Both ----------------------------------------------------------------------------------------------------

end_engine() {
    alive || return 0
    local pid
    pid=$(cut -d' ' -f1 "$dir/engine")
    # It may have been stopped by a test.
    kill -CONT "$pid" && kill "$pid"
    for _ in {1..100}; do
        alive || return 0
        sleep 0.1
    done
    kill -KILL "$pid" && say "the engine had to be killed"
}

case $verb in
    up)
        mkdir -p "$dir"
        chmod 700 "$dir"
        require < <(packages)
        if alive; then die "there is one already below $dir: scripts/podman.sh down $dir"; fi
        echo "$kind" >"$dir/kind"
        "up_$kind"
        ;;
    down)
        [[ -s $dir/kind ]] || { say "there is no engine below $dir" && exit 0; }
        left=()
        log=$(mktemp)
        "down_$(cat "$dir/kind")"
        # An engine's last helper may mount its storage once more while it ends.
        for _ in {1..50}; do
            # The deepest first.
            findmnt --noheadings --list --output TARGET | sort -r | while read -r mount; do
                [[ $mount != "$dir"/* ]] || umount "$mount" || say "cannot unmount $mount"
            done
            rm -rf "$dir" 2>"$log" && break
            sleep 0.2
        done
        [[ ! -e $dir ]] || left+=("files below $dir: $(tail -n 1 "$log")")
        rm -f "$log"
        ((${#left[@]} == 0)) || { printf 'left in it: %s\n' "${left[@]}" >&2 && exit 1; }
        ;;
    *) usage ;;
esac
