#!/bin/sh
# SPDX-License-Identifier: MIT
#
# packaging/gdb/gyre.py: gdb sees the tasks of a process and of a core, with
# their names, what they wait for and their calls; in programs with the static
# and with the shared library.
#
#     gdb_tasks.sh [BUILD]     BUILD: where gdb_tasks_* lie (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
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
    sed 's/^/    | /' "$3" | head -n 150
    failed=1
}

skip_all()
{
    for kind in static shared; do
        for sight in process core; do
            for name in loops tasks calls frames control_block; do
                echo "skip U2_gdb_shows_${name}_of_a_${sight}_${kind}: $1"
            done
        done
    done
    echo "skip L3_U2_gdb_shows_tasks_of_two_engines: $1"
    echo "skip L3_U2_gdb_shows_threads_of_two_engines: $1"
    exit "$failed"
}

# gdb without anybody's habits, network or pager. In $work, for the core.
run_gdb()
{
    # shellcheck disable=SC3045 # every shell of Linux has it
    (cd "$work" && ulimit -c unlimited &&
        timeout 120 gdb -batch -nx -iex 'set debuginfod enabled off' \
            -ex 'set confirm off' -ex 'set pagination off' -ex 'set width 0' \
            -ex "source $root/packaging/gdb/gyre.py" "$@" 2>&1)
}

# What is asked of a process and of its core alike.
cat > "$work/questions.gdb" <<'END'
echo ==== loops\n
info gyre-loops
echo ==== tasks\n
info gyre-tasks
echo ==== one\n
gyre-bt 2
echo ==== all\n
gyre-bt all
echo ==== block\n
gyre-task 2
echo ==== enter\n
gyre-enter 2
frame function receive_deep
print fd + 1000
gyre-leave
backtrace
echo ==== end\n
END

# part NAME LOG: between the mark NAME and the next.
part()
{
    sed -n "/^==== $1\$/,/^==== /p" "$2" | sed '1d;$d'
}

# has PATTERN...: each matches a line of $work/part; the first that does not is
# printed.
has()
{
    for pattern; do
        if ! grep -qE -e "$pattern" "$work/part"; then
            echo "nothing like: $pattern"
            return
        fi
    done
}

# check NAME LOG PART PATTERN...
check()
{
    name=$1
    log=$2
    part "$3" "$log" > "$work/part"
    shift 3
    why=$(has "$@")
    if [ -z "$why" ]; then
        ok "$name"
    else
        not_ok "$name" "$why" "$log"
    fi
}

# The functions of the backtrace in $work/part, innermost first, on one line.
frames()
{
    awk '/^#/ { printf "%s ", $2 ~ /^0x/ ? $4 : $2 }' "$work/part"
}

# check_calls NAME LOG: from the wait to the entry, in this order, and no frame
# of the thread's.
check_calls()
{
    part one "$2" > "$work/part"
    case $(frames) in
    *all_wait*) not_ok "$1" "the thread's own frames are there" "$2" ;;
    "task_leave "*" gyre_recv receive_deep receiver "*context_entry*) ok "$1" ;;
    *) not_ok "$1" "the frames are: $(frames)" "$2" ;;
    esac
}

# all_seen SIGHT KIND LOG
all_seen()
{
    of=of_a_${1}_$2
    check "U2_gdb_shows_loops_$of" "$3" loops \
        '^1 +- +(uring|emu) +12 .* 0x[0-9a-f]+  1( |$)'
    check "U2_gdb_shows_tasks_$of" "$3" tasks \
        '^1 +1 +- +task +running ' \
        '^2 +1 +- +receiver +waiting +[0-9]+ ms +RECV on fd [0-9]+;' \
        ' sleeper +waiting +[0-9]+ ms +sleep, 59 min 5[0-9] s left' \
        ' holder +waiting .* sleep, for ever' \
        ' locker +waiting .* mutex 0x' \
        ' event-waiter +waiting .* event 0x' \
        ' acquirer +waiting .* semaphore 0x' \
        " joiner +waiting .* join of 'sleeper'" \
        ' opener +waiting .* 1 children' \
        ' child +waiting .* sleep, ' \
        ' yielder +ready .* after yield' \
        ' poller +waiting .* POLL_ADD on fd ' \
        ' receiver .*; in receive_deep at tasks.c:[0-9]+$' \
        ' event-waiter .*; in event_waiter at tasks.c:[0-9]+$'
    if [ "$switch" = ucontext ]; then
        echo "skip U2_gdb_shows_calls_$of: swapcontext() keeps its registers"
        return
    fi
    check_calls "U2_gdb_shows_calls_$of" "$3"
    check "U2_gdb_shows_frames_$of" "$3" enter '^\$1 = 10[0-9][0-9]$' \
        '^#0 .*all_wait'
    check "U2_R7_gdb_shows_control_block_$of" "$3" block \
        "^task 2 'receiver', waiting, spawned at .*by 'task'" \
        'wait_reason = 0x[0-9a-f]+ .*"op"'
}

command -v gdb > "$work/out" 2>&1 || skip_all "gdb is not installed"
gdb -batch -nx -ex 'python print(6 * 7)' 2> "$work/out" | grep -q '^42$' ||
    skip_all "this gdb has no Python"
run_gdb -ex 'break main' -ex run -ex 'info registers' \
    "$build/gdb_tasks_static" > "$work/probe"
grep -q '^Breakpoint 1, ' "$work/probe" ||
    skip_all "gdb cannot run programs here ($(tail -n 1 "$work/probe"))"
switch=$(sed -n 's/^GYRE_SWITCH:STRING=//p' "$build/CMakeCache.txt")

for kind in static shared; do
    program=$build/gdb_tasks_$kind
    run_gdb -ex 'break all_wait' -ex run -x "$work/questions.gdb" \
        -ex 'signal SIGABRT' "$program" > "$work/log.process"
    ! grep -q 'no debug information' "$work/log.process" ||
        skip_all "the library was built without -g"
    all_seen process $kind "$work/log.process"
    core=$(find "$work" -name 'core*' -type f | head -n 1)
    if [ -z "$core" ]; then
        echo "skip U2_gdb_shows_all_of_a_core_$kind: Linux wrote no core here" \
            "($(cat /proc/sys/kernel/core_pattern))"
        continue
    fi
    run_gdb -x "$work/questions.gdb" "$program" "$core" > "$work/log.core"
    all_seen core $kind "$work/log.core"
    rm -f "$core"
done

# On the second engine what has begun there; with the scope what has not.
run_gdb -ex 'break all_wait' -ex run -x "$work/questions.gdb" \
    "$build/gdb_engines" > "$work/log.engines"
check L3_U2_gdb_shows_tasks_of_two_engines "$work/log.engines" tasks \
    '^[0-9]+ +1 +0 +task +running ' '^[0-9]+ +1 +0 +queued +not begun +' \
    '^[0-9]+ +2 +1 +visitor +waiting +.* event 0x' \
    '^[0-9]+ +2 +1 +holder +running '
check L3_U2_gdb_shows_threads_of_two_engines "$work/log.engines" loops \
    '^1 +0 +.* 0x[0-9a-f]+  1 \(gdb_engines\)$' \
    '^2 +1 +.* 0x[0-9a-f]+  [2-9] \([a-z]+-1\)$'
exit "$failed"
