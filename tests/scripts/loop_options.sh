#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each option of a loop, set by its name and read back from what a loop has.
#
#     loop_options.sh [BUILD]     BUILD: where gyre lies (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
gyre=$build/gyre
work=$(mktemp -d) || exit 1
failed=0
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

not_ok()
{
    echo "not ok $1: $2"
    failed=1
}

# reads_back ROW OPTION VALUE [WITH]: OPTION=VALUE, and what it needs beside it,
# is what the loop then says. Where Linux refuses it, its name must be said.
reads_back()
{
    name=${1}_$2_is_read_back
    settings=${4:+$4,}$2=$3
    expected=$3
    case $(sed -n "s/^    \"$2\": \(.*[a-z0-9]\),\{0,1\}\$/\1/p" "$work/plain") in
        true | false) [ "$3" = 1 ] && expected=true ;;
    esac
    if "$gyre" doctor --json --loop "$settings" > "$work/json" 2>&1; then
        got=$(sed -n "s/^    \"$2\": \(.*[a-z0-9]\),\{0,1\}\$/\1/p" "$work/json")
        [ "$got" = "$expected" ] || not_ok "$name" "set $3, read $got"
        [ "$got" != "$expected" ] || echo "ok $name"
    elif grep -q '"options_error": "'"$5" "$work/json"; then
        echo "skip $name: $(sed -n 's/^  "options_error": "\(.*\)"$/\1/p' \
            "$work/json")"
    else
        not_ok "$name" "$(tail -n 3 "$work/json")"
    fi
}

[ -x "$gyre" ] || { echo "loop_options.sh: $gyre: build it first" >&2; exit 1; }
unset GYRE_KERNEL GYRE_WITHOUT
"$gyre" doctor --json > "$work/plain"

# Every option has a line here.
while read -r row option value with; do
    reads_back "$row" "$option" "$value" "$with" "${with%%[=,]*}\|$option"
done > "$work/results" <<'END'
A20 entries 64
A20 cq_entries 4096
A20 clamp 1
A20 dispatch_max 5
A20 ready_max 6
A20 blocking_threads_max 3
A20 blocking_queue_max 12
A20 blocking_idle_ms 250
A20 in_flight_max 77
A20 backlog_max 99
A20 best_effort 1
A3 sqpoll 1
A3 sqpoll_idle_ms 20 sqpoll
A4 sqpoll_bound 1 sqpoll
A4 sqpoll_cpu 0 sqpoll,sqpoll_bound
A3 spin_us 15
A21 movable 1
A21 shared 1
A21 share_workers 7 sqpoll
A15 min_wait_us 30
A15 registered_waits 1
A17 cq_entries_max 8192
A8 huge_pages 1
A5 iopoll 1
A5 hybrid_iopoll 1 iopoll
A8 sq_rewind 1
A8 big_cqes 1
A8 mixed_cqes 1
A8 big_sqes 1
A8 mixed_sqes 1
A17 iowq_bounded 3
A17 iowq_unbounded 4
A17 restrictable 1
A17 napi_us 40
A17 napi_prefer 1 napi_us=40
END
cat "$work/results"
grep -q '^not ok' "$work/results" && failed=1

sed -n '/"options": {/,/}/s/^    "\([a-z_]*\)": .*/\1/p' "$work/plain" |
    while read -r option; do
        grep -q "_${option}_is_read_back" "$work/results" || echo "$option"
    done > "$work/missing"
if [ -s "$work/missing" ]; then
    not_ok A20_each_option_is_tried "$(tr '\n' ' ' < "$work/missing")"
else
    echo "ok A20_each_option_is_tried"
fi
exit $failed
