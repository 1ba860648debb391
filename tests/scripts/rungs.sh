#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each feature of the ring can be taken away by its name, so that every rung of
# every ladder can be stood on here; and the emulator shares nothing writable
# between loops. ./dev test --part=without runs all tests on each rung; this is
# a few of them.
set -u
root=${GYRE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${1:-$root/build}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

features=$(sed -n 's/^    \[RING_[A-Z_]*\] = { "\([a-z_]*\)".*/\1/p' \
    "$root/src/ring/feature.c" | grep -v -x -e single_mmap -e ext_arg)

# The tests of a few rows that pass through all the layers.
stands_on()
{
    GYRE_WITHOUT=$1 "$build/test_conformance" --kernel=uring G8_ \
        > "$work/report" 2>&1 &&
        tail -n 1 "$work/report" | grep -q '^[1-9][0-9]* passed, 0 failed'
}

without_each()
{
    for feature in $features; do
        stands_on "$feature" ||
            { echo "without $feature: $(grep -m1 FAIL "$work/report")"; return; }
    done
}

# Two that are known and one that is not: the last is told about.
unknown_is_told()
{
    GYRE_WITHOUT=defer_taskrun,no_such_thing,probe "$build/gyre" doctor --json \
        > "$work/report" 2> "$work/errors"
    grep -q "no feature named 'no_such_thing'" "$work/errors" ||
        echo "nothing is said of a name that nobody knows"
    ! grep -q DEFER_TASKRUN "$work/report" ||
        echo "DEFER_TASKRUN is used though it was taken away"
}

# Constants of function pointers lie in .data.rel.ro, which is no matter.
emulator_shares_nothing()
{
    find "$build/src/kernel/emu" -name '*.o' | sort > "$work/objects"
    [ -s "$work/objects" ] || echo "no objects of the emulator in $build"
    while read -r object; do
        objdump -t "$object" | awk -v file="${object##*/}" '
            $4 == "O" && ($3 ~ /^\.(bss|data)$/) { print file ": " $6 }
            $3 == "O" && ($4 ~ /^\.(bss|data)$/) { print file ": " $6 }'
    done < "$work/objects" | # less facts of Linux, which are looked for once,
        # and that a line was said, which is said once in a process
        grep -v -E '^(file\.c\.o: missing|waiter\.c\.o: (once|has_vectors)$)' |
        grep -v '^pool\.c\.o: told'
}

check()
{
    "$2" > "$work/found" 2>&1
    if [ -s "$work/found" ]; then
        cat "$work/found" >&2
        echo "not ok $1: $(head -n 1 "$work/found")"
        failed=1
    else
        echo "ok $1"
    fi
}

failed=0
if [ "$("$build/gyre" doctor --json | grep -c '"kernel": *"uring"')" -gt 0 ]; then
    check S4_S5_the_loop_stands_on_every_rung without_each
    check S4_a_feature_is_taken_away_by_name unknown_is_told
else
    echo "skip S4_S5_the_loop_stands_on_every_rung: io_uring is refused here"
fi
check S8_the_emulator_shares_nothing_between_loops emulator_shares_nothing
exit $failed
