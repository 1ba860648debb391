# SPDX-License-Identifier: MIT
#
# refusals.sh - a part of serve.sh: servers that do not start, and say why
# shellcheck shell=sh disable=SC2154

test_refusals()
{
    refused W2_a_missing_directory_is_named 1 "$work/nowhere" "$work/nowhere"
    refused W2_a_file_is_no_directory 1 "$www/hello.txt" "$www/hello.txt"
    refused W2_a_bad_address_is_named 1 "on nonsense: no such form" "$www" --listen nonsense
    refused W2_an_address_of_another_machine_is_named 1 192.0.2.1:0 \
        "$www" --listen 192.0.2.1:0
    refused W2_a_socket_that_was_not_passed_is_named 1 LISTEN_FDS "$www" \
        --listen systemd:0
    refused W2_sockets_for_each_engine_are_of_TCP 1 --reuseport "$www" \
        --reuseport --listen "unix:$work/none"
    refused W2_the_kernels_files_are_not_served 1 /proc /proc
    refused W2_a_log_that_cannot_be_written_is_named 1 "$work/no/log" "$www" \
        --listen 127.0.0.1:0 --log "$work/no/log"
    refused W2_wrong_usage_has_its_own_code 2 "--frob" "$www" --frob
    refused W2_the_directory_must_be_named 2 "name the directory"
    refused W2_wrong_numbers_are_wrong_usage 2 "--idle-timeout" "$www" \
        --idle-timeout soon
    refused U6_a_threshold_of_nothing_is_wrong_usage 2 \
        "a whole number from 1 to 3600000" "$www" --stall 0
    refused W2_no_engines_are_wrong_usage 2 "--engines" "$www" --engines 0
    refused W2_wrong_cpus_are_wrong_usage 2 "--cpus" "$www" --cpus 3-1
    refused X6_a_user_that_is_not_there_is_named 1 no-such-user "$www" \
        --sandbox --user no-such-user
    refused X6_another_user_needs_the_sandbox 1 "only with --sandbox" "$www" \
        --user nobody

    start
    refused W2_a_busy_port_is_named 1 "127.0.0.1:$port" "$www" --listen \
        "127.0.0.1:$port"
    stop
    if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null 2>&1; then
        mkdir -m 700 "$work/mine"
        chmod 755 "$work"
        setpriv --reuid=65534 --regid=65534 --clear-groups \
            "$gyre" serve "$work/mine" >"$work/out" 2>"$work/err"
        same W2_no_permission_is_an_error "1 1" "$? $(wc -l <"$work/err")"
    else
        skip W2_no_permission_is_an_error "needs root and setpriv"
    fi
}
