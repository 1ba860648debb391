#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each example does what it says, on each kernel.
#
#     examples.sh [BUILD]     BUILD: where examples/ lies (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: reason` for each.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
at=$build/examples
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

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

# port_of NAME PID: that it has printed to $work/NAME
port_of()
{
    port=
    while [ -z "$port" ] && kill -0 "$2" 2> /dev/null; do
        port=$(sed -n "s/^$1: .*[ :]\([0-9]*\)\$/\1/p" "$work/$1")
    done
    echo "$port"
}

# echo_server NAME [ADDRESS]: of the examples that echo
echo_server()
{
    mkfifo "$work/stdin"
    : > "$work/$1" # what an earlier one printed is not this one's port
    "$at/$1" "${2:-0}" < "$work/stdin" >> "$work/$1" 2> "$work/err" &
    pid=$!
    exec 9> "$work/stdin"
    port=$(port_of "$1" "$pid")
    # curl's telnet sends what it reads and prints what comes back, for ever.
    mkfifo "$work/say"
    : > "$work/answer"
    timeout 60 curl -s -N "telnet://127.0.0.1:$port" < "$work/say" \
        >> "$work/answer" 2> /dev/null &
    client=$!
    exec 8> "$work/say"
    echo 'hello, echo' >&8
    while [ ! -s "$work/answer" ] && kill -0 "$client" 2> /dev/null; do
        sleep 0.02
    done
    kill "$client" 2> /dev/null
    wait "$client" 2> /dev/null
    exec 8>&-
    answer=$(cat "$work/answer")
    exec 9>&-
    wait "$pid"
    echo "$answer and it ended with $?"
    rm -f "$work/stdin" "$work/say"
}

# An echo server behind the proxy: who is connected when the end begins is
# served on, until a second signal cuts him off.
proxy()
{
    mkfifo "$work/stdin"
    : > "$work/echo-engines"
    : > "$work/proxy"
    "$at/echo-engines" 127.0.0.1:0 < "$work/stdin" >> "$work/echo-engines" &
    server=$!
    exec 9> "$work/stdin"
    port=$(port_of echo-engines "$server")
    "$at/proxy" 127.0.0.1:0 127.0.0.1 "$port" >> "$work/proxy" 2>&1 &
    pid=$!
    port=$(port_of proxy "$pid")
    timeout 20 bash -c "exec 3<> /dev/tcp/127.0.0.1/$port
        printf 'hello, proxy\n' >&3; head -n 1 <&3
        kill -TERM $pid; printf 'and on\n' >&3; head -n 1 <&3
        kill -TERM $pid; cat <&3"
    wait "$pid"
    code=$?
    exec 9>&-
    wait "$server"
    tail -n 1 "$work/proxy"
    echo "and it ended with $code"
    rm -f "$work/stdin"
}

# bash can send a datagram.
udp_echo()
{
    : > "$work/udp-echo"
    "$at/udp-echo" 0 >> "$work/udp-echo" &
    pid=$!
    port=$(port_of udp-echo "$pid")
    timeout 20 bash -c "exec 3<> /dev/udp/127.0.0.1/$port
        printf 'hello, echo' >&3; head -c 11 <&3"
    kill "$pid"
    wait "$pid" 2> /dev/null
}

dump_server()
{
    mkfifo "$work/stdin"
    : > "$work/dump"
    "$at/dump" 0 < "$work/stdin" >> "$work/dump" &
    pid=$!
    exec 9> "$work/stdin"
    while ! grep -q '^dump: try' "$work/dump" && kill -0 "$pid" 2> /dev/null; do
        :
    done
    kill -USR1 "$pid"
    while ! grep -q '^end of dump' "$work/dump" && kill -0 "$pid" 2> /dev/null
    do
        :
    done
    exec 9>&-
    wait "$pid"
    code=$?
    sed -n "s/^ *task '\([a-z]*\)' .* on \([A-Z]*\) on fd .*/\1: \2/p" \
        "$work/dump"
    echo "and it ended with $code"
    rm -f "$work/stdin"
}

# One for each primitive.
sync_examples()
{
    check "M3_example_mutex [$1]" 'mutex: 2800 moved, 0 wrong sums' \
        "$("$at/mutex" 2>&1)"
    check "M4_example_rwlock [$1]" \
        'rwlock: version 2, 4 readers together, 0 torn reads' \
        "$("$at/rwlock" 2>&1)"
    check "M5_example_cond [$1]" 'cond: sum 15150, 0 left' "$("$at/cond" 2>&1)"
    check "M8_example_semaphore [$1]" \
        'semaphore: 9 jobs, at most 3 units busy, 1 gave up, 3 left' \
        "$("$at/semaphore" 2>&1)"
    check "M1_example_event [$1]" 'event: sum of ports 24240, set' \
        "$("$at/event" 2>&1)"
    check "M6_example_latch [$1]" 'latch: open, 5 served, 0 too early' \
        "$("$at/latch" 2>&1)"
    check "M8_example_barrier [$1]" 'barrier: 6 10 10 6' \
        "$("$at/barrier" 2>&1)"
    check "M7_example_wait-group [$1]" \
        'wait-group: 2 answered, the last: ETIMEDOUT' \
        "$("$at/wait-group" 2>&1)"
    check "M1_example_once [$1]" 'once: 2 tries, 1 failed, 4 use it' \
        "$("$at/once" 2>&1)"
    check "M13_example_spinlock [$1]" 'spinlock: counted to 30000' \
        "$("$at/spinlock" 2>&1)"
}

one_kernel()
{
    check "D9_example_chain [$1]" 'chain: saved: yes
chain: read: not in time' "$("$at/chain" "$work/record" 2>&1)"
    sync_examples "$1"
    check "example_callbacks [$1]" \
        'callbacks: counted to 1000, ticked 3 times' "$("$at/callbacks" 2>&1)"
    check "R3_example_deadline [$1]" 'the scope: ETIME
server 0: 42
server 1: 42
server 2: ETIME' "$("$at/deadline" 2>&1)"
    check "K13_example_million_tasks [$1]" \
        '20000 tasks wait: create * ns, switch * ns, * bytes each, join * ns
20000 tasks wait: create * ns, switch * ns, * bytes each, join * ns
20000 tasks wait: create * ns, switch * ns, * bytes each, join * ns
guards: *' "$("$at/million-tasks" 20000 2>&1)"
    check "H1_H2_example_threads [$1]" \
        'threads: 4000 pieces of work (4000 posted), fewer wakes' \
        "$("$at/threads" 2>&1)"
    check "H11_example_hosted [$1]" \
        'hosted: received 7 bytes: a guest
hosted: 5 ticks, and the host'\''s own pipe was served' \
        "$("$at/hosted" 2>&1)"
    check "D5_example_futex [$1]" 'futex: the child says 1
futex: the child says 2
futex: the child says 3' "$("$at/futex" 2>&1)"
    check "D6_example_children [$1]" 'children: one ended with 7
children: one was killed by signal 15' "$("$at/children" 2>&1)"
    check "B11_example_slots [$1]" 'slot 0: [1-9]* bytes read*' \
        "$("$at/slots" 2>&1)"
    check "D7_example_messages [$1]" 'messages: slot 2 there
messages: it has 3 lines' "$(printf '1\n2\n3\n' > "$work/three" &&
        "$at/messages" "$work/three" 2>&1)"
    check "R5_example_shield [$1]" 'taken from the first, waiting for the disk
cancelled
the shield: done
after it: ECANCELED
accounts: 70 and 30' "$("$at/shield" 2>&1)"
    check "K8_example_failure [$1]" 'the sibling was told: ECANCELED
ENOENT: no settings (*failure.c:*, read_settings): OPENAT: No such file or '\
'directory (task '\''settings'\'')' "$("$at/failure" 2>&1)"
    check "J5_example_bound [$1]" '100 jobs, 8 at a time' "$("$at/bound" 2>&1)"
    check "R7_example_locals [$1]" '?request 0? not in a request
?request 1? begins
?request 2? begins
?request 1? a query, in a task of its own
?request 2? a query, in a task of its own
?request 1? ends
?request 2? ends' "$("$at/locals" 2>&1)"
    check "R2_example_detached [$1]" 'the call: ETIME
the scope: ETIME
later: it returned 0, the answer was 42' "$("$at/detached" 2>&1)"
    check "U2_example_dump [$1]" 'task: READ
accept: ACCEPT
and it ended with 0' "$(dump_server)"
    check "U6_example_stall [$1]" "stall: 'compute' keeps the thread
stall: 'compute' has given it back" "$("$at/stall" 2>&1)"
    check "M10_example_channel [$1]" \
        'channel: the squares up to 1000 add up to 333833500' \
        "$("$at/channel" 2>&1)"
    check "M2_example_oneshot [$1]" "oneshot: 2 is 'two'
oneshot: 0 is 'none'
oneshot: 7: GYRE_EOF
oneshot: nobody waits for 'one' any more" "$("$at/oneshot" 2>&1)"
    check "K9_example_select [$1]" 'select: hello
select: message 1
select: message 2
select: nothing for 60 ms
select: the other side has ended with 42' "$("$at/select" 2>&1)"
    check "K10_example_all_results [$1]" 'all: gyre_all says 0: 1 5 1
all: gyre_all says ENOENT: ECANCELED ECANCELED ENOENT
all: gyre_all_settled says ENOENT: 1 5 ENOENT
all: there is no third branch (*all-results.c:*, fails): No such file or '\
'directory (task '\''third'\'')' "$("$at/all-results" 2>&1)"
    check "R6_example_race [$1]" 'race: the quick one was first
race: the broken one: EIO
race: the slow one: ECANCELED' "$("$at/race" 2>&1)"
    check "L11_example_embedded [$1]" \
        'embedded: thread 0: OK, 3 of 6 ports answer
embedded: thread 1: OK, 2 of 6 ports answer' "$("$at/embedded" 2>&1)"
    check "L12_example_parallel [$1]" 'parallel: 1229 primes below 10000' \
        "$("$at/parallel" 10000 2>&1)"
    printf 'a\nb\n' > "$work/two"
    check "J6_example_pipeline [$1]" 'A
B
pipeline: 2 lines, OK' "$("$at/pipeline" "$work/two" 2>&1)"
    check "K8_example_pipeline_fails [$1]" 'pipeline: 0 lines, ENOENT' \
        "$("$at/pipeline" "$work/gone" 2>&1)"
    : > "$work/none"
    check "C8_example_send_zc [$1]" 'send-zc: 4 of 4 arrived whole
send-zc: the kernel copied * bytes' "$("$at/send-zc" 2>&1)"
    if command -v bash > /dev/null; then
        check "C15_C17_example_udp_echo [$1]" 'hello, echo' "$(udp_echo 2>&1)"
        check "R9_example_proxy [$1]" 'hello, proxy
and on
proxy: 1 connections, 0 failed
and it ended with 0' "$(proxy 2>&1)"
    else
        echo "skip C15_C17_example_udp_echo [$1]: there is no bash"
        echo "skip R9_example_proxy [$1]: there is no bash"
    fi
    check "example_lines [$1]" "       2 $work/two
       0 $work/none
lines: $work/gone: No such file or directory" \
        "$("$at/lines" "$work/two" "$work/none" "$work/gone" 2> "$work/err";
        cat "$work/err")"
    dd if=/dev/urandom of="$work/from" bs=1000 count=300 2> /dev/null
    rm -f "$work/to"
    check "B17_example_copy [$1]" 'whole' "$("$at/copy" "$work/from" \
        "$work/to" && cmp "$work/from" "$work/to" &&
        [ ! -e "$work/to.part" ] && echo whole)"
    check "B17_example_copy_fails [$1]" 'copy: No such file or directory' \
        "$("$at/copy" "$work/gone" "$work/to" 2>&1)"
    if command -v curl > /dev/null 2>&1; then
        check "example_echo [$1]" 'hello, echo* and it ended with 0' \
            "$(echo_server echo)"
        check "V1_example_echo-engines [$1]" 'hello, echo* and it ended with 0' \
            "$(echo_server echo-engines 127.0.0.1:0)"
        check "C6_example_pooled [$1]" 'hello, echo* and it ended with 0' \
            "$(echo_server pooled)"
    else
        echo "skip example_echo [$1]: no curl"
    fi
}

for kernel in uring emu; do
    if [ "$kernel" = uring ] && ! GYRE_KERNEL=uring "$at/callbacks" \
        > "$work/out" 2>&1 && grep -q io_uring "$work/out"; then
        echo "skip examples [uring]: $(tail -n 1 "$work/out")"
        continue
    fi
    GYRE_KERNEL=$kernel
    export GYRE_KERNEL
    one_kernel "$kernel"
done
exit "$failed"
