#!/bin/bash
# Compares the instructions and system calls that starting and ending a task takes with what they were.
#
#   scripts/instructions.sh             fails where one of them grew by more than the tolerance
#   scripts/instructions.sh --accept    notes the numbers of now, in scripts/instructions.txt
#
# Times are noisy; these repeat to a few in a hundred. They depend on the compiler, so the file names it, and with another
# one there is nothing to compare. Instructions are callgrind's, of the harness; system calls are those of the keeper
# too. See spawner-process/benches/instructions.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

readonly BASELINE=scripts/instructions.txt
# In hundredths. Who waits makes calls that who finds what it wants does not, so those differ more.
readonly INSTRUCTIONS=3 CALLS=15

[[ $# == 0 || $* == --accept ]] || { sed -n '4,5s/^#   //p' "$0" >&2 && exit 2; }
compiler=$(rustc --version) || exit 1
machine=$(uname -m)
known=$(sed -n 's/^# with //p' "$BASELINE" 2>/dev/null)
if [[ ${1:-} != --accept && $known != "$compiler, $machine" ]]; then
    echo "test instructions ... skipped: they were counted with $known, and this is $compiler, $machine"
    exit 0
fi

state=$(mktemp --directory /tmp/instructions.XXXXXX) || exit 1
trap 'rm -rf "$state"' EXIT
if ! command -v valgrind >/dev/null && ((EUID == 0)) && command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends valgrind >/dev/null 2>&1 ||
        { apt-get update && apt-get install --yes --no-install-recommends valgrind; } >/dev/null 2>&1
fi
# In a profile of its own, since the released one takes minutes to build; with rustix by way of libc, since what it reads
# of the vdso by itself is not there in callgrind.
program=$(RUSTFLAGS="--cfg rustix_use_libc" cargo bench --profile instructions --package spawner-process --bench instructions --no-run 2>&1 |
    sed -n 's/.*Executable.*(\(.*\)).*/\1/p')
program=$(realpath "${program:?it was not built}") || exit 1
# Every task gets the environment, so it is always the same.
same=(env --ignore-environment PATH=/usr/local/bin:/usr/bin:/bin SPAWNER_STATE_DIR="$state")
found=$("${same[@]}" "$program") || exit 1

# The instructions that callgrind counts of a harness of so many lives.
instructions() {
    "${same[@]}" valgrind --tool=callgrind --trace-children=no --callgrind-out-file=/dev/null \
        "$program" lives "$1" "$2" true 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}
if command -v valgrind >/dev/null; then
    for mechanism in subreaper cgroup-v2; do
        least=
        # Who waits when a message comes has more to do than who finds it there.
        for _ in 1 2 3; do
            few=$(instructions "$mechanism" 10) && many=$(instructions "$mechanism" 210) || exit 1
            [[ -n $few && -n $many ]] || continue
            each=$(((many - few) / 200))
            if [[ -z $least ]] || ((each < least)); then least=$each; fi
        done
        if [[ -n $least ]]; then found+=$'\n'"true-$mechanism-harness-instructions $least"
        else found+=$'\n'"skipped true-$mechanism: callgrind counts nothing"; fi
    done
else
    for path in true-subreaper-harness-instructions true-cgroup-v2-harness-instructions; do
        found+=$'\n'"skipped $path: valgrind is not installed"
    done
fi
if [[ ${1:-} == --accept ]]; then
    { echo "# What one life of a task takes; scripts/instructions.sh --accept writes this."
        echo "# with $compiler, $machine"
        grep -v '^skipped' <<<"$found"; } >"$BASELINE"
    exit 0
fi
awk -v instructions="$INSTRUCTIONS" -v calls="$CALLS" '
    FNR == NR { if ($1 != "#") was[$1] = $2; next }
    $1 == "skipped" { sub(/^skipped /, ""); print "test instructions ... skipped: " $0; split($1, parts, ":"); gone[parts[1]]; next }
    { now[$1] = $2
      if (!($1 in was)) { printf "FAILED %s is new: scripts/instructions.sh --accept\n", $1; bad = 1; next }
      part = ($1 ~ /-calls$/ ? calls : instructions) / 100
      verdict = $2 > was[$1] * (1 + part) ? "FAILED" : ($2 < was[$1] * (1 - part) ? "less  " : "ok    ")
      if (verdict == "FAILED") bad = 1
      printf "%s %-45s %8s, was %8s (%+.1f %%)\n", verdict, $1, $2, was[$1], was[$1] ? ($2 / was[$1] - 1) * 100 : 0 }
    END {
        for (path in was) {
            excused = 0
            for (other in gone) if (index(path, other) == 1) excused = 1
            if (!(path in now) && !excused) { printf "FAILED %s was not counted\n", path; bad = 1 }
        }
        if (bad) print "what is meant to be so: scripts/instructions.sh --accept"
        exit bad
    }' "$BASELINE" - <<<"$found"
