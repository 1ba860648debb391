#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gyre trace from the outside: programs that it runs, files that it shows, what
# it says when it cannot.
#
#     trace.sh [BUILD]     BUILD: where gyre and examples/ lie (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
gyre=$build/gyre
examples=$build/examples
work=$(mktemp -d) || exit 1
failed=0
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# check NAME WANTED ACTUAL: a pattern of case, and what was printed.
check()
{
    # shellcheck disable=SC2254 # it is meant to be a pattern
    case $3 in
    $2) echo "ok $1" ;;
    *)
        echo "not ok $1: it printed: $(printf '%s' "$3" | tr '\n' '|')"
        failed=1
        ;;
    esac
}

# What a command prints on standard error, and its exit code.
errors_of()
{
    # shellcheck disable=SC2069 # what is printed otherwise goes elsewhere
    "$@" 2>&1 > "$work/stdout"
    echo "ended with $?"
}

[ -x "$gyre" ] || { echo "trace.sh: $gyre: build it first" >&2; exit 1; }
[ -x "$examples/deadline" ] || {
    echo "trace.sh: $examples/deadline: build it first" >&2
    exit 1
}
cd "$work" || exit 1

# Is the file what Perfetto reads? Tracks, slices that lie in each other, begins
# with their ends.
json_is_good()
{
    python3 - "$1" << 'END'
import json, sys

trace = json.load(open(sys.argv[1]))
events = trace["traceEvents"]
names = {}
slices = {}
stacks = {}
for e in events:
    assert e["ph"] in "MXben" and 0 < e["tid"] < 2 ** 31, e
    if e["ph"] == "M":
        names[e["pid"], e["tid"]] = e["args"]["name"]
        continue
    assert e["ts"] >= 0 and e["name"], e
    if e["ph"] == "X":
        slices.setdefault((e["pid"], e["tid"]), []).append(
            (round(e["ts"] * 1000), round(e["dur"] * 1000)))
    else:
        assert e["cat"] == "op"
    if e["ph"] == "b":
        stacks.setdefault(e["id"], []).append(e["name"])
    if e["ph"] == "e":
        assert stacks[e["id"]].pop() == e["name"], e
assert not any(stacks.values())
for track, list in slices.items():
    assert track in names, track
    ends = []
    for start, length in sorted(list, key=lambda s: (s[0], -s[1])):
        while ends and ends[-1] <= start:
            ends.pop()
        assert not ends or start + length <= ends[-1], (track, start)
        ends.append(start + length)
kinds = {e["name"] for e in events if e["ph"] == "b"}
assert {"RECV", "queued", "kernel", "resume"} <= kinds, kinds
texts = {e["name"] for e in events if e["ph"] == "X"}
assert {"turn", "runs", "waits: RECV", "waits: sleep"} <= texts, texts
assert any(t.startswith("enter") for t in texts)
ends = [e for e in events if e["ph"] == "b" and e["name"] == "RECV"]
assert any(e["args"]["asked_to_end"] for e in ends)
print("good")
END
}

# on_kernel KERNEL: one program, shown in each way.
on_kernel()
{
    "$gyre" trace --record file "$examples/deadline" > out 2> err
    check "W8_trace_leaves_the_program_alone [$1]" \
        '*server 1: 42*server 2: ETIME, 0' "$(cat out), $?"
    check "W8_record_is_silent [$1]" '' "$(cat err)"
    check "W8_a_file_is_shown_again [$1]" \
        "*kernel $1*queued*kernel*resume*RECV*ECANCELED*was asked to end*" \
        "$("$gyre" trace file 2>&1)"
    check "W8_steps_are_shown_in_order [$1]" \
        '*started *RECV*submitted*RECV*enter*ended *RECV*= 3*returned*runs*' \
        "$("$gyre" trace --events file)"
    check "W8_steps_of_one_opcode_are_shown_alone [$1]" 0 \
        "$("$gyre" trace --events --op recv file | grep -c 'SEND\|enter')"
    check "W8_a_summary_counts [$1]" '*SEND 2 0 *RECV 3 1 *' \
        "$("$gyre" trace --summary file | tr -s ' ')"
    check "W8_a_filter_leaves_the_rest_out [$1]" 3 \
        "$("$gyre" trace --op RECV file | grep -c ' fd ')"
    check "W8_a_filter_knows_tasks [$1]" 0 \
        "$("$gyre" trace --task nobody file | grep -c ' fd ')"
    "$gyre" trace -o json file
    if command -v python3 > /dev/null 2>&1; then
        check "W8_perfetto_gets_json [$1]" good "$(json_is_good json 2>&1)"
    else
        echo "skip W8_perfetto_gets_json [$1]: python3 is not installed"
    fi
}

kernel=uring
"$gyre" doctor | grep -q '^kernel  *uring$' || kernel=emu
if [ "$kernel" = uring ]; then
    on_kernel uring
else
    echo "skip W8_trace_on_uring: io_uring is refused here"
fi
GYRE_KERNEL=emu
export GYRE_KERNEL
on_kernel emu
unset GYRE_KERNEL

# ---- what is run -------------------------------------------------------------

check W8_what_is_lost_is_said '*older records were lost*--buffer*' \
    "$(errors_of "$gyre" trace --buffer 32K "$gyre" bench nop --time 0.001 \
        --rounds 1 --case 'batch 32')"
check W8_the_exit_code_is_the_programs '*made no gyre loop*ended with 3' \
    "$(errors_of "$gyre" trace sh -c 'exit 3')"
check W8_a_signal_is_told_as_a_shell_does 'ended with 137' \
    "$(errors_of "$gyre" trace --record file sh -c 'kill -9 $$' | tail -n 1)"
check W8_a_request_to_end_is_passed_on '*ended with 5' \
    "$(errors_of timeout 20 "$gyre" trace sh -c \
        'trap "exit 5" TERM; kill -TERM $PPID; while :; do :; done')"
for number in INT HUP; do
    check "W8_what_is_ignored_stays_so [$number]" '*ended with 4' \
        "$(trap '' $number
            errors_of "$gyre" trace sh -c "kill -$number \$\$; exit 4")"
done
check W8_no_program '*there is no such program*ended with 127' \
    "$(errors_of "$gyre" trace "$work/nobody")"
check W8_not_a_program '*ermission denied*ended with 126' \
    "$(errors_of "$gyre" trace "$root/README.md")"
check W8_no_gyre_program "*nothing was traced: 'true' made no*ended with 0" \
    "$(errors_of "$gyre" trace true)"
check W8_no_gyre_program_recorded "*nothing was traced: 'true' made no*" \
    "$(errors_of "$gyre" trace --record file true)"
check W8_children_of_the_program_have_loops_of_their_own \
    '*process *, loop 1*process *, loop 1*RECV*' \
    "$(errors_of "$gyre" trace sh -c \
        "$examples/deadline > /dev/null; $examples/race > /dev/null")"

# ---- what is wrong -----------------------------------------------------------

check W8_a_wrong_option_is_named '*--nothing is not known*ended with 2' \
    "$(errors_of "$gyre" trace --nothing true)"
check W8_a_wrong_size_is_named '*--buffer needs a size*ended with 2' \
    "$(errors_of "$gyre" trace --buffer 5 true)"
check W8_two_ways_at_once_are_refused '*one can be had*ended with 2' \
    "$(errors_of "$gyre" trace --events --summary true)"
check W8_a_place_that_cannot_be_written_is_named \
    '*cannot make /nowhere/file*ended with 1' \
    "$(errors_of "$gyre" trace --record /nowhere/file true)"
check W8_json_that_cannot_be_written_is_named \
    '*cannot write /nowhere/file*ended with 1' \
    "$(errors_of "$gyre" trace -o /nowhere/file "$examples/race")"
"$gyre" trace --record file "$examples/race" > out
printf 'XXXX' | dd of=file bs=1 seek=8 conv=notrunc 2> /dev/null
check W8_a_file_of_another_version_is_refused \
    '*of another version of gyre*ended with 1' \
    "$(errors_of "$gyre" trace file)"
check W8_a_wrong_descriptor_is_said_once_and_does_no_harm \
    '*GYRE_TRACE=999 is no descriptor of a trace*ended with 0' \
    "$(GYRE_TRACE=999 errors_of "$examples/race")"
check W8_a_file_that_is_no_trace_is_not_written_to \
    '*GYRE_TRACE=9 is no descriptor of a trace*ended with 0' \
    "$(GYRE_TRACE=9 errors_of "$examples/race" 9<> out)"
check W8_help_tells_the_options '*--perfetto*--record*--buffer*' \
    "$("$gyre" trace --help)"

exit "$failed"
