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
    test_drain
    test_second_signal
    test_stuck_log
    test_sandbox
    engines=1
    kernel=
}
