#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gyre bench must not rot: each bench runs, for hardly any time, and says in JSON
# what it measured of whom. How fast anything is, is no matter here.
#
#     bench.sh [BUILD]     BUILD: where gyre lies (default: build)
#
# Prints `ok NAME` or `not ok NAME: why` for each; ends with 1 if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
gyre=$build/gyre
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

ok()
{
    echo "ok $1"
}

not_ok()
{
    echo "not ok $1: $2"
    failed=1
}

# One contender stands on a line. Its samples are positive numbers; only those
# by hand may be missing, with the reason, where there is no io_uring for them.
check_json()
{
    awk '
        {
            braces += gsub(/{/, "{") - gsub(/}/, "}")
            brackets += gsub(/\[/, "[") - gsub(/\]/, "]")
        }
        /"case":/ { cases++ }
        /"name":/ {
            contenders++
            if ($0 ~ /"samples_ns":\[[0-9]/ &&
                $0 !~ /"m(edian|inimum)_ns":0\.000/ &&
                $0 ~ /"median_ns":[0-9]/)
                measured++
            else if ($0 !~ /"name":"gyre/ && $0 ~ /"error":"/)
                excused++
            else
                wrong = $0
        }
        END {
            if (braces != 0 || brackets != 0)
                print "brackets do not match"
            else if (cases < 2 || contenders < 4)
                print "only " cases " cases, " contenders " contenders"
            else if (measured + excused != contenders)
                print "not measured: " wrong
        }' "$1"
}

# The program as a whole is not built where it has nothing to be built from.
if [ ! -x "$gyre" ]; then
    echo "not ok bench_is_built: there is no $gyre"
    exit 1
fi

for bench in nop timers switch echo; do
    name=bench_${bench}_measures_every_contender
    if "$gyre" bench $bench --json --time 0.01 --rounds 2 \
        > "$work/json" 2> "$work/errors"; then
        why=$(check_json "$work/json")
        if [ -z "$why" ] && [ ! -s "$work/errors" ]; then
            ok $name
        else
            not_ok $name "${why:-$(head -n 1 "$work/errors")}"
        fi
    else
        not_ok $name "ended with $?: $(head -n 1 "$work/errors")"
    fi
done

name=bench_prints_a_table_with_ratios
if "$gyre" bench switch --time 0.01 --rounds 1 > "$work/table" 2>&1 &&
    grep -q '^  gyre yield  *[0-9.]*  *[0-9.]*  *[0-9.]*  *[0-9.]* ' \
        "$work/table"; then
    ok $name
else
    not_ok $name "$(grep yield "$work/table")"
fi

name=bench_refuses_wrong_arguments_by_name
for wrong in 'nap' '--time 0' '--time -1' '--time x' '--rounds 0' \
    '--rounds 256' '--time' '--faster'; do
    # shellcheck disable=SC2086 # two words
    "$gyre" bench $wrong > "$work/out" 2> "$work/errors"
    code=$?
    if [ $code -ne 2 ] || ! grep -q -e "${wrong##* }" "$work/errors"; then
        not_ok $name "$wrong: ended with $code: $(head -n 1 "$work/errors")"
        name=
        break
    fi
done
[ -z "$name" ] || ok $name

exit $failed
