#!/bin/bash
# leftovers.sh GROUPS RUN FOLDER...: looks for what a run of the tests left behind: processes that carry
# SPAWNER_TEST_RUN=RUN, run a program from one of the FOLDERs, stand in one or name the last among their arguments;
# mounts below a FOLDER; and control groups of spawner and of containers that the file GROUPS, which scripts/groups.sh
# wrote, does not name. What is just ending gets ten seconds. Prints what it finds.
set -uo pipefail
before=$1 run=$2
shift 2

# This script and its ancestors carry the mark rightly.
own=" "
pid=$$
while ((pid > 1)); do
    own+="$pid "
    read -r _ pid < <(grep '^PPid:' "/proc/$pid/status" 2>/dev/null) || break
done

under_a_folder() {
    local folder
    for folder in "${folders[@]}"; do
        [[ $1 == "$folder" || $1 == "$folder"/* ]] && return 0
    done
    return 1
}

# As an engine's own helpers do: the folder of its storage, or of its sockets. Others may name the first ones.
names_the_last_folder() {
    tr '\0' '\n' 2>/dev/null <"$1" | grep -qF "${folders[-1]}/"
}

mounts() {
    local mount
    findmnt --noheadings --list --output TARGET | while read -r mount; do
        ! under_a_folder "$mount" || echo "mount $mount"
    done
}

processes() {
    local dir pid parent state
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        [[ $own == *" $pid "* || $pid == "$BASHPID" ]] && continue
        read -r _ parent < <(grep '^PPid:' "$dir/status" 2>/dev/null) || continue
        [[ $parent == "$$" || $parent == "$BASHPID" ]] && continue
        if tr '\0' '\n' 2>/dev/null <"$dir/environ" | grep -qx "SPAWNER_TEST_RUN=$run" ||
            under_a_folder "$(readlink "$dir/exe" 2>/dev/null)" ||
            under_a_folder "$(readlink "$dir/cwd" 2>/dev/null)" ||
            names_the_last_folder "$dir/cmdline"; then
            # It may have been a helper of the line above, which is gone now; a zombie is no survivor.
            state=$(sed -n 's/^State:\t\(.\).*/\1/p' "$dir/status" 2>/dev/null)
            [[ -z $state || $state == Z ]] && continue
            echo "process $pid (parent $parent): $(tr '\0' ' ' 2>/dev/null <"$dir/cmdline" | cut -c1-150)"
        fi
    done
}

groups() {
    scripts/groups.sh | comm -13 "$before" - | sed 's/^/control group /'
}

# Another harness on this host has control groups too, and nobody can tell them from ours.
strangers() {
    local dir environ
    for dir in /proc/[0-9]*; do
        environ=$(tr '\0' '\n' 2>/dev/null <"$dir/environ")
        grep -q '^SPAWNER_TEST_RUN=' <<<"$environ" || continue
        grep -qx "SPAWNER_TEST_RUN=$run" <<<"$environ" || return 0
    done
    for dir in /proc/[0-9]*; do
        [[ $(cat "$dir/comm" 2>/dev/null) =~ ^(spawner|podman|conmon) ]] || continue
        under_a_folder "$(readlink "$dir/exe" 2>/dev/null)" || return 0
    done
    return 1
}

folders=()
for folder in "$@"; do
    folders+=("$(realpath "$folder")")
done
deadline=$((SECONDS + 10))
while :; do
    left=$(processes; mounts)
    group=$(groups)
    [[ -z $left$group ]] && exit 0
    ((SECONDS >= deadline)) && break
    sleep 0.2
done
if [[ -n $group ]] && strangers; then
    echo "leftovers: skipped control-groups: another spawner is at work on this host"
    group=''
fi
[[ -z $left$group ]] && exit 0
printf '%s\n' "$left" "$group" | sed '/^$/d'
exit 1
