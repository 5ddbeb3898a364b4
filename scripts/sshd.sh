#!/bin/bash
# Brings up an sshd of its own on the loopback, for the account that calls this, and ends it.
#
#   eval "$(scripts/sshd.sh up DIR)"     # SSH_LAB_PORT, SSH_LAB_KEY and SSH_LAB_KNOWN: what a client needs
#   scripts/sshd.sh down DIR
#
# Needs openssh-server and openssh-client. Keys, configuration, log and pid are in DIR, which `down` removes, and so is the
# home of its sessions: what the account's own files start in each would be measured too.
set -euo pipefail

usage() {
    sed -n '4,5s/^#   //p' "$0" >&2
    exit 2
}

(($# == 2)) || usage
dir=$2

free_port() {
    perl -MSocket -e 'socket S, PF_INET, SOCK_STREAM, 0 or die; bind S, sockaddr_in(0, INADDR_LOOPBACK) or die;
        print +(sockaddr_in(getsockname S))[0]'
}

up() {
    mkdir -p "$dir/home"
    dir=$(cd "$dir" && pwd)
    # sshd separates privileges into it.
    ((EUID != 0)) || mkdir -p /run/sshd
    local key port
    for key in host user; do
        [[ -f $dir/$key ]] || ssh-keygen -q -t ed25519 -N '' -f "$dir/$key"
    done
    port=$(free_port)
    cat >"$dir/config" <<END
ListenAddress 127.0.0.1
Port $port
HostKey $dir/host
AuthorizedKeysFile $dir/user.pub
PidFile $dir/pid
StrictModes no
UsePAM no
PermitRootLogin yes
MaxSessions 100
SetEnv HOME=$dir/home
END
    echo "[127.0.0.1]:$port $(<"$dir/host.pub")" >"$dir/known"
    /usr/sbin/sshd -E "$dir/log" -f "$dir/config"
    for _ in {1..200}; do
        [[ -s $dir/pid ]] && (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        sleep 0.05
    done
    [[ -s $dir/pid ]] || { cat "$dir/log" >&2 && exit 1; }
    printf 'export SSH_LAB_PORT=%s SSH_LAB_KEY=%q SSH_LAB_KNOWN=%q\n' "$port" "$dir/user" "$dir/known"
}

down() {
    local pid
    pid=$(cat "$dir/pid" 2>/dev/null) || pid=
    # The pid may be another's by now.
    if [[ -n $pid && $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) == *"$dir/config"* ]]; then
        kill "$pid"
        for _ in {1..200}; do
            [[ -d /proc/$pid ]] || break
            sleep 0.05
        done
        [[ ! -d /proc/$pid ]] || { echo "sshd (pid $pid) does not end" >&2 && exit 1; }
    fi
    rm -rf "$dir"
}

case $1 in
    up) up ;;
    down) down ;;
    *) usage ;;
esac
