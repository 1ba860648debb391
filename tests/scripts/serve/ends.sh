# SPDX-License-Identifier: MIT
#
# ends.sh - a part of serve.sh: how a server ends, and who is cut
# shellcheck shell=sh disable=SC2154

# COUNT clients that have read half of a large file, and wait. They go on at
# end_half.
start_half()
{
    mkfifo "$work/go"
    : >"$work/half"
    "$load" half "$port" "$1" /50M <"$work/go" >>"$work/half" &
    half=$!
    exec 3>"$work/go"
    until grep -q half "$work/half" || ! kill -0 "$half" 2>/dev/null; do
        sleep 0.1
    done
}

end_half()
{
    echo go >&3
    exec 3>&-
    wait "$half"
    rm "$work/go"
}

test_drain()
{
    start --stats --drain-timeout 600 --send-timeout 600
    start_half 100
    kill -TERM "$pid"
    tries=0
    while curl -s -m 20 -o /dev/null "$url" && [ $tries -lt 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    curl -s -m 5 -o /dev/null "$url"
    same W2_a_server_that_drains_accepts_no_more 7 $?
    end_half
    wait "$pid"
    same W2_a_drain_ends_with_0 0 $?
    pid=
    same W2_half_sent_bodies_end_complete "good=100" \
        "$(tail -n 1 "$work/half")"
    has W2_stats_are_printed_at_the_end "$work/out" "turns="

    # Idle connections do not hold a drain up.
    start
    mkfifo "$work/idle"
    : >"$work/got"
    "$load" raw "$port" <"$work/idle" >>"$work/got" &
    idle=$!
    printf 'GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n' >"$work/idle"
    until grep -q hello "$work/got"; do sleep 0.1; done
    begin=$(date +%s)
    stop
    wait "$idle"
    same W2_idle_connections_are_closed_by_a_drain 0 "$code"
    [ $(($(date +%s) - begin)) -lt 20 ] ||
        not_ok W2_idle_connections_are_closed_by_a_drain "took too long"
    rm "$work/idle"

    start
    stop INT
    same W2_sigint_ends_with_0 0 "$code"
}

test_second_signal()
{
    start
    start_half 1
    kill -TERM "$pid"
    while curl -s -m 20 -o /dev/null "$url"; do sleep 0.1; done
    sleep 0.2 # what comes at once is no second signal
    stop
    same W2_a_second_signal_ends_at_once 143 "$code"
    end_half

    # As timeout(1) sends them, to its child and to its group; a moment between
    # them may be long here, so it hears of both when it goes on.
    start
    start_half 1
    kill -STOP "$pid"
    kill -TERM "$pid"
    kill -INT "$pid"
    kill -CONT "$pid"
    end_half
    wait "$pid"
    same W2_one_wish_by_two_signals_is_one 0 $?
    pid=

    start --drain-timeout 1
    start_half 1
    stop
    same W2_the_drain_timeout_ends_what_does_not_end 0 "$code"
    has W2_the_drain_timeout_says_so "$work/err" "--drain-timeout"
    end_half
}

# A client that stops reading is cut, by either of two timeouts.
test_stalled_clients()
{
    for option in --send-timeout --response-timeout; do
        start $option 2
        before=$(grep -c /50M "$work/log")
        start_half 1
        tries=0
        until [ "$(grep -c /50M "$work/log")" -gt "$before" ] ||
            [ $tries -gt 300 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
        end_half
        same "W2_a_client_that_stops_reading_is_cut_by_$option" "good=0" \
            "$(tail -n 1 "$work/half")"
        stop
    done
}

# A log whose reader does not read must not hold up anybody.
test_stuck_log()
{
    mkfifo "$work/stuck"
    # It holds the pipe open, and never reads.
    # shellcheck disable=SC2217
    sleep 1000 <"$work/stuck" &
    reader=$!
    : >"$work/out"
    "$gyre" serve "$www" --listen 127.0.0.1:0 >"$work/out" 2>"$work/stuck" &
    pid=$!
    await_start
    line='GET /hello.txt HTTP/1.1\r\nHost: h\r\nUser-Agent: '
    line="$line$(head -c 200 /dev/zero | tr '\0' u)"'\r\n\r\n'
    many=
    for _ in 1 2 3 4 5 6 7 8; do many="$many$line$line$line$line$line"; done
    answers=0
    for _ in 1 2 3 4 5; do
        answers=$((answers + $(raw \
            "${many}HEAD / HTTP/1.0\\r\\n\\r\\n" | wc -w)))
    done
    same W2_a_stuck_log_holds_nobody_up 205 $answers
    stop
    same W2_a_stuck_log_does_not_keep_a_server_from_ending 0 "$code"
    kill "$reader"
    wait "$reader" 2>/dev/null
    rm "$work/stuck"
}
