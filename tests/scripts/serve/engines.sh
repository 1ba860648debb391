# SPDX-License-Identifier: MIT
#
# engines.sh - a part of serve.sh: a server on two engines
# shellcheck shell=sh disable=SC2154

# served N: how many connections engine N was given, by the status page.
served()
{
    sed -n "/Engine $1</,/<\/table>/p" "$work/page" |
        sed -n 's/.*accepted<\/td><td class="n">\([0-9]*\)<.*/\1/p'
}

test_engines()
{
    export GYRE_KERNEL="$1"
    kernel="$1, 2 engines"
    engines=2
    start --status --cpus 0
    same W2_L3_each_engine_serves "good=400" \
        "$("$load" fetch "$port" 400 /sub/1)"
    curl -s -m 20 "$url".gyre/status >"$work/page"
    # By how many each has, which depends on how fast each is at the moment.
    if [ $(($(served 0) + $(served 1))) -ge 401 ] &&
        [ "$(served 0)" -ge 80 ] && [ "$(served 1)" -ge 80 ]; then
        ok W2_L5_clients_are_spread_over_engines
    else
        not_ok W2_L5_clients_are_spread_over_engines \
            "$(served 0) and $(served 1)"
    fi
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
