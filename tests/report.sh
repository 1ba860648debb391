# SPDX-License-Identifier: MIT
#
# report.sh - a part of ./dev: scripts of tests/tidy and tests/scripts
#
# A script prints "ok NAME", "not ok NAME: why", "skip NAME: why". What it prints
# is kept below build/scripts/ and told when its turn comes: most scripts wait most
# of the time, and go beside other things.
# shellcheck shell=sh disable=SC2154

# start_script SCRIPT DIRECTORY
start_script()
{
    out=build/scripts/$(basename "$1" .sh)
    rm -f "$out.code"
    mkdir -p build/scripts
    [ -z "$filter" ] || grep -q -e "$filter" "$1" || return 0
    began=$(date +%s)
    code=0
    GYRE_SOURCE=$root GYRE_BUILD=$root/$2 sh "$1" "$root/$2" \
        > "$out.report" 2> "$out.errors" < /dev/null || code=$?
    echo "$code $(($(date +%s) - began))" > "$out.code"
}

# tell_script SCRIPT: count what it reported.
tell_script()
{
    out=build/scripts/$(basename "$1" .sh)
    [ -s "$out.code" ] || return 0
    read -r code seconds < "$out.code"
    counted=$(awk -v filter="$filter" '
        index($0, filter) == 0 { next }
        /^ok / { ok++ }
        /^not ok / { bad++; sub(/^not ok/, "FAIL"); print > "/dev/stderr" }
        /^skip / { skip++; sub(/^skip/, "SKIP"); print > "/dev/stderr" }
        END { printf "%d %d %d\n", ok, bad, skip }' "$out.report" \
        2> "$out.complaints")
    cat "$out.complaints"
    bad=${counted#* }
    bad=${bad%% *}
    if [ "$bad" -gt 0 ] || [ "$code" -ne 0 ]; then
        tail -n 20 "$out.errors" | sed 's/^/    | /'
    fi
    if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then
        fail "$1: ended with $code"
    elif [ "$counted" = "0 0 0" ] && [ -z "$filter" ]; then
        fail "$1: reported nothing"
    fi
    passed=$((passed + ${counted%% *}))
    failed=$((failed + bad))
    skipped=$((skipped + ${counted##* }))
    say "== $1: ${counted%% *} passed, $bad failed, ${counted##* } skipped" \
        "($seconds s)"
}

run_script()
{
    start_script "$1" "$2"
    tell_script "$1"
}

is_script()
{
    case $1 in
    */lib.sh | *'*'*) return 1 ;;
    esac
}

# start_scripts DIRECTORY SCRIPT...
start_scripts()
{
    directory=$1
    shift
    for script in "$@"; do
        ! is_script "$script" || start_script "$script" "$directory"
    done
}

tell_scripts()
{
    for script in "$@"; do
        ! is_script "$script" || tell_script "$script"
    done
}
