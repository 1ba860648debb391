#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gyre doctor from the outside, and what doctor and serve say where io_uring is
# refused, in each of the ways in which that is done.
#
#     doctor.sh [BUILD]     BUILD: where gyre and deny lie (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
gyre=$build/gyre
work=$(mktemp -d) || exit 1
pid=
failed=0

finish()
{
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# check NAME WHY COMMAND...: ok if the command succeeds.
check()
{
    name=$1
    why=$2
    shift 2
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name: $why"
        failed=1
    fi
}

# Members of an object that is itself a member of the report.
members_of()
{
    sed -n "/^  \"$1\": {/,/^  }/p" "$work/json" | grep -c ': \(true\|false\)'
}

# The value of a member of the outermost object.
member()
{
    sed -n "s/^  \"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" "$work/json"
}

[ -x "$gyre" ] || { echo "doctor.sh: $gyre: build it first" >&2; exit 1; }

unset GYRE_KERNEL GYRE_WITHOUT GYRE_WITH GYRE_LINUX_RELEASE
"$gyre" doctor --json >"$work/json"
check W1_doctor_ends_with_0 "exit code $?" [ $? -eq 0 ]
if command -v python3 >/dev/null 2>&1; then
    check W1_doctor_writes_json "$(python3 -m json.tool "$work/json" 2>&1 |
        tail -n 1)" python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
for name in ("kernel", "kernel_reason", "setup_flags", "ops", "wrapped",
             "op_features", "limits", "versions"):
    r[name]
assert set(r["ops"]) == set(r["wrapped"])
assert all(type(v) is bool for v in r["ops"].values())' "$work/json"
else
    echo "skip W1_doctor_writes_json: python3 is not installed"
fi
check W1_doctor_knows_every_opcode "$(members_of ops) opcodes" \
    [ "$(members_of ops)" -eq 65 ]
check W1_doctor_knows_what_gyre_has_calls_for "$(members_of wrapped)" \
    [ "$(members_of wrapped)" -eq 65 ]
GYRE_WITHOUT=recv_multishot "$gyre" doctor --json >"$work/less"
check W1_S4_doctor_tells_the_flags_of_opcodes "$(cat "$work/less")" \
    grep -q '"recv_multishot": *false' "$work/less"

# The faults of a release, and what is done about each.
# advice RELEASE: "NAME STATE" of each piece that is about it.
advice()
{
    GYRE_LINUX_RELEASE=$1 "$gyre" doctor --json 2>/dev/null |
        sed -n '/^  "advice": \[/,/^  \]/p' |
        sed -n 's/^ *"\(name\|state\)": "\(.*\)",\{0,1\}$/\2/p' | paste -d' ' - -
}
advice 6.14.8 >"$work/advice"
check S7_doctor_tells_the_advice_for_this_linux "$(cat "$work/advice")" \
    grep -q '^bundle_order taken$' "$work/advice"
advice 6.15.5 >"$work/advice"
check S7_doctor_tells_no_more_than_that "$(cat "$work/advice")" \
    [ "$(grep -c -e bundle_order -e reads_fill_up "$work/advice")" -eq 0 ]
GYRE_WITH=recv_bundle advice 6.14.8 >"$work/advice"
check S7_doctor_tells_what_is_overruled "$(cat "$work/advice")" \
    grep -q '^bundle_order not taken$' "$work/advice"
advice 5.15.75 >"$work/advice"
check S7_doctor_tells_why_there_is_no_ring "$(cat "$work/advice")" \
    grep -q '^poll_loses taken$' "$work/advice"
GYRE_LINUX_RELEASE=6.14.8 "$gyre" doctor >"$work/text"
check S7_doctor_tells_people_the_source "$(cat "$work/text")" \
    grep -q 'liburing#1409' "$work/text"
"$gyre" doctor >"$work/text"
check W1_L13_doctor_tells_how_many_engines_there_would_be \
    "$(grep engines "$work/text")" \
    grep -q "^ *engines .* $(env -u OMP_NUM_THREADS nproc) with GYRE_EACH_CPU" "$work/text"
check W1_doctor_speaks_to_people "$(head -n 5 "$work/text")" \
    grep -q '^kernel  *\(uring\|emu\)$' "$work/text"
"$gyre" doctor --frob >"$work/out" 2>"$work/err"
check W1_doctor_refuses_unknown_options "exit code $?" [ $? -eq 2 ]
GYRE_KERNEL=none "$gyre" doctor >"$work/out" 2>"$work/err"
check W1_doctor_says_when_there_can_be_no_loop "exit code $?" [ $? -eq 1 ]
check W1_doctor_names_the_trouble "$(cat "$work/out")" \
    grep -q '^trouble.*GYRE_KERNEL' "$work/out"

# What runs in a world without io_uring.
for way in EPERM ENOSYS EACCES KILL; do
    deny=$build/deny
    if [ ! -x "$deny" ] || ! "$deny" $way true; then
        echo "skip A11_W1_doctor_names_the_cause_$way: cannot deny here"
        continue
    fi
    "$deny" $way "$gyre" doctor --json >"$work/json"
    reason=$(member kernel_reason)
    check "A11_W1_doctor_names_the_cause_$way" "$(member kernel): $reason" \
        [ "$(member kernel) ${reason:+because}" = "emu because" ]
    "$gyre" --help | grep -q ' serve ' || continue
    : >"$work/out"
    "$deny" $way "$gyre" serve "$root/docs" --quiet --listen 127.0.0.1:0 \
        >"$work/out" 2>&1 &
    pid=$!
    until grep -q '^gyre: serving' "$work/out"; do
        kill -0 "$pid" 2>/dev/null || { cat "$work/out" >&2; exit 1; }
        sleep 0.1
    done
    kill -TERM "$pid"
    wait "$pid"
    check "A11_W2_serve_works_without_io_uring_$way" "exit code $?" [ $? -eq 0 ]
    pid=
    printf 'gyre: io_uring refused: %s; using the emulated kernel\n' \
        "$reason" >"$work/expected"
    head -n 1 "$work/out" >"$work/first"
    check "A11_W2_serve_names_the_cause_$way" "$(cat "$work/first")" \
        cmp -s "$work/expected" "$work/first"
done
exit $failed
