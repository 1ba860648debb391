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

# One contender stands on a line. Its samples are positive numbers; only others
# than gyre may be missing, with the reason: those by hand where there is no
# io_uring for them, and peers that were not built.
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
            if ($0 ~ /"samples_(ns|bytes)":\[[0-9]/ &&
                $0 !~ /"m(edian|inimum)_(ns|bytes)":0\.000/ &&
                $0 ~ /"median_(ns|bytes)":[0-9]/)
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

# Peers that are there must not rot either, so they are built for this.
cmake --build "$build" --target bench_peers > "$work/peers.log" 2>&1 ||
    not_ok bench_peers_build "$(grep -m 1 -i error "$work/peers.log")"

for bench in nop timers switch spawn mutex channel echo http reads sharing post \
    pingpong tree 'echo --engines 2'; do
    name=bench_${bench%% *}_measures_every_contender
    [ "$bench" = "${bench%% *}" ] || name=bench_${bench%% *}_of_engines_does_too
    # shellcheck disable=SC2086 # a name and an option
    if "$gyre" bench $bench --json --time 0.01 --rounds 1 \
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

# Without peers all is measured but they, and the table says who is missing.
name=bench_names_the_peers_that_are_missing
if GYRE_BENCH_PEERS_DIR=$work/none "$gyre" bench spawn --time 0.01 --rounds 1 \
    --case 'at a time' > "$work/table" 2>&1 &&
    grep -q '^  gyre spawn  *[0-9]' "$work/table" &&
    grep -q '^  Go  *not here: not built (golang-go)$' "$work/table" &&
    grep -q '^  Boost.Fiber  *not here: not built (libboost-fiber-dev)$' \
        "$work/table"; then
    ok $name
else
    not_ok $name "$(grep Go "$work/table")"
fi

# Where Linux lets us, the calls of each contender are counted, and else the
# reason is said.
name=bench_counts_system_calls
if "$gyre" bench post --time 0.01 --rounds 1 --case busy --calls --json \
    > "$work/json" 2> "$work/errors"; then
    if grep '"name":"uring by hand"' "$work/json" |
        grep -q -e '"calls":1\.[0-9]' -e '"error"'; then
        ok $name
    else
        not_ok $name "$(grep '"name":"uring by hand"' "$work/json")"
    fi
elif grep -q 'needs tracefs, and to be root' "$work/errors"; then
    ok $name
else
    not_ok $name "$(head -n 1 "$work/errors")"
fi

# One more thread that posts, or loop that the token visits.
name=bench_engines_are_as_many_as_asked_for
if "$gyre" bench pingpong --time 0.01 --rounds 1 --engines 3 \
    > "$work/table" 2> "$work/errors" &&
    "$gyre" bench post --time 0.01 --rounds 1 --engines 3 --case once \
        >> "$work/table" 2> "$work/errors" &&
    [ "$(grep -c 'with 3 engines: ' "$work/table")" -eq 2 ] &&
    [ "$(grep -c '^  gyre' "$work/table")" -eq \
        "$(grep -c '^  gyre.* [0-9.]* *[0-9.]* ' "$work/table")" ]; then
    ok $name
else
    not_ok $name "$(cat "$work/table" "$work/errors")"
fi

# Peers made up for this: one answers, one does not know the test, one dies.
mkdir "$work/peers"
# shellcheck disable=SC2016 # for those scripts to expand
{
    echo '#!/bin/sh
        while read -r test n ops; do
            echo "$test $n $ops" >> "${0%/*}/asked"
            echo "ns $ops $((ops * 7)) 10000000"
        done' > "$work/peers/go"
    echo '#!/bin/sh
        while read -r line; do echo unknown; done' > "$work/peers/dill"
    printf '#!/bin/sh\nread -r line\n' > "$work/peers/boost-fiber"
}
chmod +x "$work/peers/"*
GYRE_BENCH_PEERS_DIR=$work/peers "$gyre" bench spawn --time 0.02 --rounds 1 \
    --case 'at a time' --json > "$work/json" 2> "$work/errors"

# A question that is not counted, and two of 10 ms each for a sample of 20 ms.
name=bench_asks_a_peer_until_the_time_is_up
if [ "$(sort "$work/peers/asked" | uniq -c | tr -s ' ')" = \
    ' 3 spawn 1000 65000' ] &&
    grep -q '"name":"Go",.*"median_ns":7\.000,.*"wall_ns":153\.846' \
        "$work/json"; then
    ok $name
else
    not_ok $name "$(grep '"Go"' "$work/json") $(cat "$work/peers/asked")"
fi

name=bench_goes_on_without_a_peer_that_cannot
if grep -q '"name":"libdill",.*"error":"Operation not supported"' \
    "$work/json" &&
    grep -q '"name":"Boost.Fiber",.*"error":"Broken pipe"' "$work/json"; then
    ok $name
else
    not_ok $name "$(grep '"error"' "$work/json")"
fi

name=bench_refuses_wrong_arguments_by_name
for wrong in 'nap' '--time 0' '--time -1' '--time x' '--rounds 0' \
    '--rounds 256' '--time' '--faster' '--engines 0' '--engines 65' \
    '--engines 2 nop'; do
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
