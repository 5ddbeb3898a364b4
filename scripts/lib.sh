# Running steps, counting, and telling. Sourced, not run; whoever does it sets `logs`, a folder.
# shellcheck shell=bash disable=SC2154

passed=0 failed=0 skipped=0
failures=()
running=

say() { printf '%s\n' "$*"; }

skip() {
    say "skipped  $1: $2"
    skipped=$((skipped + 1))
}

# The three numbers of the tests whose results a log shows: passed, failed, skipped.
counts_of() {
    awk '
        /^test result: / { p += $4; f += $6; s += $8 }
        /^[^ ]+, as (root|an ordinary user): [0-9]+ passed, / {
            sub(/.*: /, ""); p += $1; f += $3; s += $5
        }
        END { print p + 0, f + 0, s + 0 }' "$1"
}

# step NAME LIMIT COMMAND...: runs a command for at most LIMIT seconds, with its output in a log.
step() {
    local name=$1 limit=$2 began=$SECONDS status p f s log
    shift 2
    log=$logs/${name//[^a-zA-Z0-9]/-}.log
    # In the background, since a shell that waits for a command in the foreground does not hear Ctrl-C.
    timeout --kill-after=20 "$limit" "$@" >"$log" 2>&1 </dev/null &
    running=$!
    wait "$running"
    status=$?
    running=
    read -r p f s < <(counts_of "$log")
    if ((status == 0 && f == 0)); then
        # A step that counts nothing itself is one check.
        ((p + s > 0)) || p=1
        say "ok       $name ($((SECONDS - began)) s)$( ((s == 0)) || echo ": $s skipped")"
    else
        ((f > 0)) || f=1
        failures+=("$name")
        {
            say "FAILED   $name ($((SECONDS - began)) s)$( ((status == 124 || status == 137)) && echo ": over its limit of $limit s")"
            # First what failed, which may be far from the end, then the end.
            # What a panic said stands on the line below it.
            grep -aE -A 1 '(\.\.\. FAILED|panicked at|^error|FAILED )' "$log" | grep -avE '^(--)?$|^note: ' |
                cut -c1-1500 | head -n 40 | sed 's/^/         /'
            tail -n 40 "$log" | cut -c1-300 | sed 's/^/         /'
        } | tee -a "$logs/failures"
    fi
    skipped_within "$log" >>"$logs/skips"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    return "$status"
}

# What a log says was skipped: the reason, a tab, and the test or case.
skipped_within() {
    sed -nE \
        -e 's/^(.*: )?skipped ([^ ]+): (.*)$/\3\t\2/p' \
        -e 's/^test (.*) \.\.\. ignored(, )?(.*)$/\3\t\1/p' \
        -e 's/^test (.*) \.\.\. skipped: (.*)$/\2\t\1/p' "$1" |
        # The names that engines and folders get anew each time.
        sed -E 's/[0-9a-f]{32,}/…/g' | sort -u
}

# The reasons, each with all that was skipped for it.
reasons() {
    [[ -s $logs/skips ]] || return 0
    say "skipped within, and why:"
    sort -u "$logs/skips" | awk -F '\t' '
        { if (!($1 in names)) order[++n] = $1; names[$1] = names[$1] (names[$1] == "" ? "" : ", ") $2 }
        END { for (i = 1; i <= n; i++) printf "  %.200s:\n    %s\n", order[i], names[order[i]] }'
}

# The last word: reasons, then what failed once more, where whoever sees only the end finds it. Returns whether all is well.
summary() {
    say ""
    reasons
    if ((${#failures[@]} > 0)); then
        say ""
        tail -n 120 "$logs/failures"
        say "failed: ${failures[*]}"
    fi
    say "$passed passed, $failed failed, $skipped skipped"
    ((failed == 0))
}
