# SPDX-License-Identifier: MIT
#
# engines.sh - a part of serve.sh: a server on two engines
# shellcheck shell=sh disable=SC2154

# accepted N: how many connections engine N was given, by the status page.
accepted()
{
    curl -s -m 20 "$url".gyre/status |
        sed -n "/Engine $1</,/<\/table>/p" |
        sed -n 's/.*accepted<\/td><td class="n">\([0-9]*\)<.*/\1/p'
}

# Clients that stay are spread evenly, however fast each engine is: a load is
# how many an engine has. Those of before are on both, but no more is sure. A
# client that is connected may wait for a while until it is accepted.
test_spread()
{
    before_0=$(accepted 0)
    before_1=$(accepted 1)
    : >"$work/slow"
    "$load" slow "$port" 100 60 >>"$work/slow" &
    slow=$!
    until grep -q connected "$work/slow"; do sleep 0.1; done
    tries=0
    held_0=0 held_1=0
    while [ $((held_0 + held_1)) -lt 100 ] && [ $tries -lt 100 ]; do
        tries=$((tries + 1))
        held_0=$(($(accepted 0) - before_0))
        held_1=$(($(accepted 1) - before_1))
    done
    if [ "$held_0" -ge 40 ] && [ "$held_1" -ge 40 ]; then
        ok W2_L5_clients_are_spread_over_engines
    else
        not_ok W2_L5_clients_are_spread_over_engines "$held_0 and $held_1"
    fi
    kill "$slow"
    wait "$slow" 2>/dev/null
}

# rest_client NAME: a connection that has had an answer and rests. Its process
# is $rests, and what it gets is in $work/NAME.
rest_client()
{
    rm -f "$work/talk"
    mkfifo "$work/talk"
    : >"$work/$1"
    "$load" raw "$port" <"$work/talk" >>"$work/$1" 2>"$work/raw.err" &
    rests=$!
    printf 'GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n' >"$work/talk"
    until grep -q hello "$work/$1" || ! kill -0 "$rests" 2>/dev/null; do
        sleep 0.1
    done
}

# All places are taken by connections that rest, on both engines: each client
# has one of them end, wherever it is, and the first that came is the first.
test_room()
{
    start --status --max-connections 2
    rest_client one
    one=$rests
    rest_client two
    two=$rests
    same W2_who_rests_on_any_engine_makes_room "200 200 200" \
        "$(status "$url"hello.txt) $(status "$url"hello.txt) $(status \
            "$url"hello.txt)"
    tries=0
    while kill -0 "$one" 2>/dev/null && [ $tries -lt 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    if [ $tries -lt 300 ]; then
        ok W2_who_rests_longest_makes_room_first
    else
        not_ok W2_who_rests_longest_makes_room_first "it is still there"
        kill "$one"
    fi
    wait "$one" 2>/dev/null
    kill "$two" 2>/dev/null
    wait "$two" 2>/dev/null
    stop
}

# Four clients come in one turn, and say nothing, when all places are taken by
# connections that rest, half of them on each engine: all of these end, though
# whoever makes room sees the same rest for longest.
test_room_for_many()
{
    start --max-connections 4
    resting=
    for name in one two three four; do
        rest_client $name
        resting="$resting $rests"
    done
    kill -STOP "$pid"
    : >"$work/slow"
    "$load" slow "$port" 4 60 >>"$work/slow" &
    slow=$!
    until grep -q connected "$work/slow"; do sleep 0.1; done
    kill -CONT "$pid"
    tries=0
    left=4
    while [ $left -gt 0 ] && [ $tries -lt 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
        left=0
        for rests in $resting; do
            ! kill -0 "$rests" 2>/dev/null || left=$((left + 1))
        done
    done
    same W2_all_who_rest_make_room_for_as_many 0 $left
    stop
    for client in $slow $resting; do
        kill "$client" 2>/dev/null
        wait "$client" 2>/dev/null
    done
}

test_reuseport()
{
    start --status --reuseport --listen "unix:$work/socket"
    same W2_each_engine_accepts_at_a_socket_of_its_own "good=200 200" \
        "$("$load" fetch "$port" 200 /sub/1) $(status --unix-socket \
            "$work/socket" http://unix/hello.txt)"
    if [ "$(accepted 0)" -ge 20 ] && [ "$(accepted 1)" -ge 20 ]; then
        ok W2_V1_sockets_of_their_own_share_clients
    else
        not_ok W2_V1_sockets_of_their_own_share_clients \
            "$(accepted 0) and $(accepted 1)"
    fi
    stop
    same W2_engines_with_sockets_of_their_own_end_well 0 "$code"
}

# A thread that does not come back, since another process holds it.
test_left()
{
    start --drain-timeout 0.1 --cancel-timeout 0.1
    thread=$(grep -l '^serve-1$' /proc/"$pid"/task/*/comm | cut -d / -f 5)
    : >"$work/held"
    "$load" hold "$thread" >>"$work/held" 2>&1 &
    holder=$!
    until grep -q . "$work/held"; do sleep 0.1; done
    if grep -q held "$work/held"; then
        stop
        same W2_what_does_not_end_is_left 1 "$code"
        has W2_what_does_not_end_is_named "$work/err" "engine 1:"
        has W2_what_does_not_end_has_its_option "$work/err" --cancel-timeout
    else
        skip W2_what_does_not_end_is_left "$(cat "$work/held")"
        stop
    fi
    wait "$holder"
}

test_engines()
{
    export GYRE_KERNEL="$1"
    kernel="$1, 2 engines"
    engines=2
    start --status --cpus 0
    same W2_L3_each_engine_serves "good=400" \
        "$("$load" fetch "$port" 400 /sub/1)"
    test_spread
    same W2_L3_threads_are_named "serve-1" \
        "$(cat /proc/"$pid"/task/*/comm | grep '^serve-')"
    same W2_L13_engines_are_bound_to_cpus "0 0" \
        "$(for task in /proc/"$pid"/task/*; do
            case $(cat "$task/comm") in
            gyre | serve-1) sed -n 's/^Cpus_allowed_list:\t//p' \
                "$task/status" ;;
            esac
        done | tr '\n' ' ' | sed 's/ $//')"
    test_log
    test_status
    test_addresses
    test_room
    test_room_for_many
    test_reuseport
    test_left
    test_drain
    test_second_signal
    test_stuck_log
    test_sandbox
    engines=1
    kernel=
}
