#!/bin/bash
# What the compiler does not check about the shape of this workspace. Prints every fault.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
faults=0

fault() {
    echo "$1"
    faults=$((faults + 1))
}

# The packages of this workspace on which one of them depends.
siblings_of() {
    cargo tree --quiet --package "$1" --edges normal --all-features --prefix none |
        sed -n 's/^\(spawner[a-z-]*\) .*/\1/p' | sort -u | grep -vx "$1"
}

# Arrows point down only: facade, backends (never one another), core.
members=$(find . -mindepth 2 -maxdepth 2 -name Cargo.toml -path './spawner-*' -printf '%h\n' | cut -c3- | sort)
for member in $members; do
    case $member in
        spawner-core) allowed='' ;;
        *) allowed='spawner-core' ;;
    esac
    for sibling in $(siblings_of "$member"); do
        [[ $sibling == "$allowed" ]] || fault "$member must not depend on $sibling: arrows point down only"
    done
done

# Within the core: the words know nothing of the behaviour.
for word in spec exit capability cleanup error id teardown task stream; do
    while read -r line; do
        fault "$line knows of behaviour"
    done < <(find spawner-core/src \( -path "*/src/$word.rs" -o -path "*/src/$word/*.rs" \) -exec grep -nHE \
        'crate::(admission|attempt|ladder|registry|report|run|spawner|start|sweep)::' {} + | grep -vE '^[^:]*:[0-9]+: *//')
done

# One file is one room.
while read -r lines file; do
    ((lines <= 340)) || fault "$file has $lines lines; split what is above 340"
done < <(find src spawner-*/src -name '*.rs' -exec wc -l {} + | grep -v ' total$')

# Every dependency has its reason beside it.
while read -r line; do
    fault "Cargo.toml: no reason stands above \`$line\`"
done < <(awk '/^\[/ { inside = /^\[workspace\.dependencies\]/ }
    inside && /^[a-z]/ && !/^spawner-/ && before !~ /^#/ { print $1 }
    { before = $0 }' Cargo.toml)

if grep -q '^autoexamples *= *false' Cargo.toml; then
    fault "Cargo.toml: the examples are not built (autoexamples = false)"
fi

((faults == 0)) || exit 1
echo "tidy"
