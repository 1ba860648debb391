#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What a debugger sees of a task: all of its frames, three calls deep, and then
# the end - no frame of nobody, no complaint about a corrupt stack. Looked at
# where the task begins, after it has waited and come back, and after each of
# the instructions of a switch.
#
#     gdb.sh [BUILD]     BUILD: where gdb_frames lies (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
program=$build/gdb_frames
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

names="K1_gdb_shows_all_frames_of_a_task
K1_gdb_shows_all_frames_of_a_task_that_has_waited
K1_gdb_ends_a_backtrace_at_the_entry_of_the_task
K1_gdb_finds_a_clean_end_after_each_instruction_of_a_switch"

skip_all()
{
    for name in $names; do
        echo "skip $name: $1"
    done
    exit 0
}

ok()
{
    echo "ok $1"
}

not_ok()
{
    echo "not ok $1: $2"
    sed 's/^/    | /' "$3"
    failed=1
}

# gdb without anybody's habits, network or pager.
run_gdb()
{
    timeout 120 gdb -batch -nx -iex 'set debuginfod enabled off' \
        -ex 'set confirm off' -ex 'set pagination off' -ex 'set width 0' \
        "$@" "$program" 2>&1
}

# The functions of a backtrace, innermost first, on one line.
frames_of()
{
    awk '/^#/ { printf "%s ", $2 ~ /^0x/ ? $4 : $2 }' "$1"
}

# Is the backtrace in file $2 that of the task, whole and with a clean end?
check_frames()
{
    expected="stop_here third_call second_call first_call task_of_three_calls"
    frames=$(frames_of "$2")
    case $frames in
    "$expected "*) ok "$1" ;;
    *) not_ok "$1" "the frames are: $frames" "$2" ;;
    esac
}

check_end()
{
    frames=$(frames_of "$2")
    if grep -qiE 'corrupt|stopped:|\?\?|cannot access' "$2"; then
        not_ok "$1" "gdb complains" "$2"
        return
    fi
    case $frames in
    *" context_entry " | *" context_begin ") ok "$1" ;;
    *) not_ok "$1" "the last frame is not the entry: $frames" "$2" ;;
    esac
}

[ -x "$program" ] || { echo "gdb.sh: $program: build it first" >&2; exit 1; }
command -v gdb >/dev/null 2>&1 || skip_all "gdb is not installed"
run_gdb -ex 'break main' -ex run -ex 'info registers' >"$work/probe"
grep -q '^Breakpoint 1, ' "$work/probe" ||
    skip_all "gdb cannot run programs here ($(tail -n 1 "$work/probe"))"

run_gdb -ex 'break stop_here' -ex run -ex 'echo ==== 1\n' -ex bt \
    -ex continue -ex 'echo ==== 2\n' -ex bt -ex 'echo ==== end\n' \
    -ex 'delete' -ex continue >"$work/log"
sed -n '/^==== 1/,/^==== 2/p' "$work/log" >"$work/first"
sed -n '/^==== 2/,/^==== end/p' "$work/log" >"$work/second"

check_frames K1_gdb_shows_all_frames_of_a_task "$work/first"
check_frames K1_gdb_shows_all_frames_of_a_task_that_has_waited "$work/second"
check_end K1_gdb_ends_a_backtrace_at_the_entry_of_the_task "$work/first"

# From one stop to the next, instruction by instruction: out of the task,
# through a turn of the loop, and back in. Each time the outermost frame must be
# the task's entry or main() - or one of the two functions that switch, which
# have no caller while they are between two stacks, for at most four
# instructions.
check_steps()
{
    awk -v window=4 '
        /^#/ {
            steps++
            name = $2 ~ /^0x/ ? $4 : $2
            if (name == "context_entry")
                task++
            else if (name == "main" || name == "_start")
                thread++
            else
                nowhere[name]++
        }
        END {
            if (task < 20 || thread < 20)
                printf "%d walks in the task, %d outside\n", task, thread
            for (name in nowhere)
                if (nowhere[name] > window || ++switches > 2)
                    printf "%d walks ended in %s\n", nowhere[name], name
        }' "$2" >"$work/verdict"
    if [ -s "$work/verdict" ]; then
        not_ok "$1" "some walks do not end well" "$work/verdict"
    else
        ok "$1"
    fi
}

name=K1_gdb_finds_a_clean_end_after_each_instruction_of_a_switch
case $(frames_of "$work/first") in
*" context_entry ") ;;
*)
    echo "skip $name: the switch is the C library's"
    exit "$failed"
    ;;
esac
cat >"$work/step.gdb" <<'END'
set environment LD_BIND_NOW 1
break stop_here
run
set $target = $pc
delete
stepi
set $steps = 0
while $pc != $target && $steps < 20000
  stepi
  bt -1
  set $steps = $steps + 1
end
printf "arrived: %d\n", $pc == $target
END
run_gdb -x "$work/step.gdb" >"$work/log"
if grep -q '^arrived: 1$' "$work/log"; then
    check_steps "$name" "$work/log"
else
    tail -n 5 "$work/log" >"$work/verdict"
    not_ok "$name" "did not come back to the task" "$work/verdict"
fi
exit "$failed"
