#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gyre serve from the outside, on every kernel that this machine has: what curl
# gets, what bad clients get, and how a server ends.
#
#     serve.sh [BUILD [KERNEL]]   BUILD: where gyre and serve_load lie
#                                 (default: build); KERNEL: that one alone
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed. With GYRE_LONG set also what takes long: a file of 5 GiB, and
# 10,000 slow clients.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
gyre=$build/gyre
load=$build/serve_load
work=$(mktemp -d) || exit 1
www=$work/www
failed=0
pid=

finish()
{
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE

# ---- reporting -----------------------------------------------------------

kernel=
engines=1

ok()
{
    echo "ok $1${kernel:+ [$kernel]}"
}

not_ok()
{
    echo "not ok $1${kernel:+ [$kernel]}: $2"
    failed=1
}

skip()
{
    echo "skip $1${kernel:+ [$kernel]}: $2"
}

# same NAME EXPECTED GIVEN
same()
{
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "expected '$2', got '$3'"
    fi
}

# has NAME FILE TEXT: is the text in the file?
has()
{
    if grep -qF -e "$3" "$2"; then
        ok "$1"
    else
        not_ok "$1" "no '$3' in: $(head -c 400 "$2" | tr '\n\r' '~ ')"
    fi
}

# ---- a server --------------------------------------------------------------

# start ARGUMENTS...: serve $www at $url, which is on $port, as $pid.
start()
{
    : >"$work/out"
    "$gyre" serve "$www" --listen 127.0.0.1:0 --log "$work/log" \
        --engines "$engines" "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    await_start
}

await_start()
{
    tries=0
    until grep -q '^gyre: serving' "$work/out"; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
            echo "serve.sh: no server: $(cat "$work/err")" >&2
            exit 1
        fi
        sleep 0.1
    done
    url=$(sed -n 's/^gyre: serving .* at //p' "$work/out" | head -n 1)
    port=${url##*:}
    port=${port%/}
}

# stop [SIGNAL]: end it; $code is what it ended with.
stop()
{
    kill "-${1:-TERM}" "$pid"
    wait "$pid"
    code=$?
    pid=
}

# status ARGUMENTS...: what curl gets for a status.
status()
{
    curl -s -m 20 -o /dev/null -w '%{http_code}' "$@"
}

# raw FORMAT: send the bytes, print the status of each answer on one line. Ends
# only when the server closes the connection.
raw()
{
    # shellcheck disable=SC2059
    printf "$1" | timeout 20 "$load" raw "$port" >"$work/raw" 2>"$work/raw.err"
    code=$?
    [ $code -eq 0 ] || { echo "ended with $code"; return; }
    grep -ao 'HTTP/1\.1 [0-9]*' "$work/raw" | cut -d ' ' -f 2 | tr '\n' ' ' |
        sed 's/ $//'
}

make_files()
{
    mkdir -p "$www/sub/deep" "$www/with index" "$www/.secret"
    printf 'hello, world\n' >"$www/hello.txt"
    printf '<h1>index</h1>\n' >"$www/with index/index.html"
    printf 'hidden\n' >"$www/.secret/file"
    printf '# Title\n\ntext\n' >"$www/sub/page.md"
    : >"$www/empty"
    for size in 1 1000 16383 16384 16385 100000 1048576; do
        head -c $size /dev/urandom >"$www/sub/$size"
    done
    head -c 67108864 /dev/urandom >"$www/64M"
    touch -d '2020-01-02 03:04:05 UTC' "$www/hello.txt"
    ln -s /etc/passwd "$www/out"
    ln -s ../../../../../../../../etc "$www/climb"
    ln -s hello.txt "$www/in"
    ln -s loop "$www/loop"
    ln -s /proc/self/status "$www/proc"
    mkfifo "$www/fifo"
    # shellcheck disable=SC2016
    : >"$www/"'<b>$(x)&"'
    : >"$www/$(printf 'line\nfeed')"
    mknod "$www/null" c 1 3 2>/dev/null || true
    mknod "$www/zero" c 1 5 2>/dev/null || true
}

# ---- without a kernel: what is refused at the start ----------------------

# refused NAME CODE TEXT ARGUMENTS...
refused()
{
    name=$1
    expected=$2
    text=$3
    shift 3
    timeout 10 "$gyre" serve "$@" >"$work/out" 2>"$work/err"
    code=$?
    lines=$(wc -l <"$work/err")
    if [ $code -ne "$expected" ]; then
        not_ok "$name" "exit code $code: $(cat "$work/err")"
    elif [ "$lines" -ne 1 ]; then
        not_ok "$name" "$lines lines: $(cat "$work/err")"
    else
        has "$name" "$work/err" "$text"
    fi
}

# ---- good requests --------------------------------------------------------

test_files()
{
    bad=
    for file in hello.txt empty sub/1 sub/1000 sub/16383 sub/16384 sub/16385 \
        sub/100000 sub/1048576 64M sub/page.md; do
        curl -s -m 60 -o "$work/got" "$url$file" &&
            cmp -s "$work/got" "$www/$file" || bad="$bad $file"
    done
    same W2_files_come_byte_by_byte "" "$bad"

    curl -s -m 20 -o "$work/got" -w '%{num_connects}' "$url"sub/1000 \
        -o "$work/got" "$url"sub/1 -o "$work/got" "$url"sub/16385 >"$work/count"
    same W2_connections_are_kept 100 "$(cat "$work/count")"

    curl -s -I "$url"hello.txt | tr -d '\r' >"$work/head"
    has W2_head_tells_the_length "$work/head" "Content-Length: 13"
    has W2_head_tells_the_type "$work/head" \
        "Content-Type: text/plain; charset=utf-8"
    has W2_head_tells_the_time "$work/head" \
        "Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT"
    has W2_head_tells_a_tag "$work/head" 'ETag: "'
    same W2_links_inside_are_followed 200 "$(status "$url"in)"
    same W2_dashes_and_queries_do_not_matter 200 "$(status "$url"hello.txt?x=y)"
    same W2_http_1_0_is_understood 200 "$(status -0 "$url"hello.txt)"
    curl -s -m 20 -H 'Accept: text/html' "$url"sub/page.md >"$work/got"
    if "$gyre" doctor --json | grep -q '"cmark": "none"'; then
        skip W2_markdown_is_shown_as_a_page "built without libcmark"
    else
        has W2_markdown_is_shown_as_a_page "$work/got" '<h1 id="title">Title'
    fi
}

test_ranges()
{
    file=$www/sub/100000
    tail -c +101 "$file" 2>/dev/null | head -c 100 >"$work/part"
    curl -s -m 20 -D "$work/head" -r 100-199 -o "$work/got" "$url"sub/100000
    cmp -s "$work/got" "$work/part"
    same W2_a_range_is_that_part 0 $?
    has W2_a_range_says_where "$work/head" "Content-Range: bytes 100-199/100000"
    tail -c 20000 "$file" >"$work/part"
    curl -s -m 20 -r -20000 "$url"sub/100000 | cmp -s - "$work/part"
    same W2_the_end_is_a_range 0 $?
    tail -c +50001 "$file" >"$work/part"
    curl -s -m 20 -r 50000- "$url"sub/100000 | cmp -s - "$work/part"
    same W2_the_rest_is_a_range 0 $?
    same W2_ranges_have_their_status "206 416 200" "$(status -r 0-0 \
        "$url"sub/1000) $(status -r 1000- "$url"sub/1000) $(status \
        -r 0-1,5-6 "$url"sub/1000)"
    tag=$(curl -s -I "$url"sub/1000 | tr -d '\r' | sed -n 's/^ETag: //p')
    same W2_if_range_guards_a_range "206 200" "$(status -r 0-0 -H \
        "If-Range: $tag" "$url"sub/1000) $(status -r 0-0 -H \
        'If-Range: "other"' "$url"sub/1000)"
    head -c 30000000 "$www/64M" >"$work/got"
    curl -s -m 60 -C 30000000 "$url"64M >>"$work/got"
    cmp -s "$work/got" "$www/64M"
    same W2_a_download_is_taken_up_again 0 $?
}

test_conditions()
{
    tag=$(curl -s -I "$url"hello.txt | tr -d '\r' | sed -n 's/^ETag: //p')
    same W2_a_known_tag_is_not_sent_again "304 200" "$(status -H \
        "If-None-Match: $tag" "$url"hello.txt) $(status -H \
        'If-None-Match: "x"' "$url"hello.txt)"
    same W2_a_known_date_is_not_sent_again "304 200" "$(status -z \
        'Thu, 02 Jan 2020 03:04:05 GMT' "$url"hello.txt) $(status -z \
        'Thu, 02 Jan 2020 03:04:04 GMT' "$url"hello.txt)"
    same W2_preconditions_are_kept 412 "$(status -H 'If-Match: "x"' \
        "$url"hello.txt)"
}

test_directories()
{
    same W2_directories_end_with_a_slash "301 ${url}sub/?a=b" "$(curl -s \
        -o /dev/null -w '%{http_code} %{redirect_url}' "${url}sub?a=b")"
    curl -s -m 20 "$url"with%20index/ | cmp -s - "$www/with index/index.html"
    same W2_an_index_is_sent 0 $?
    curl -s -m 20 "$url" >"$work/page"
    has W2_names_are_escaped "$work/page" '&lt;b&gt;$(x)&amp;&quot;'
    has W2_names_are_encoded "$work/page" 'href="./line%0Afeed"'
    if grep -qE '<b>|fifo|null|secret|"./out|climb|loop' "$work/page"; then
        not_ok W2_what_is_not_served_is_not_listed "$(cat "$work/page")"
    else
        ok W2_what_is_not_served_is_not_listed
    fi
    bad=
    grep -o 'href="\./[^"]*"' "$work/page" | sed 's/^href="\.\///;s/"$//' \
        >"$work/links"
    while read -r link; do
        [ "$(status "$url$link")" = 200 ] || bad="$bad $link"
    done <"$work/links"
    same W2_every_name_that_is_listed_is_served "" "$bad"
}

test_status_page()
{
    same W2_the_status_page_is_off_unless_asked_for 404 \
        "$(status "$url".gyre/status)"
}

# ---- bad requests ----------------------------------------------------------

test_paths()
{
    bad=
    for path in ../etc/passwd sub/../../etc/passwd %2e%2e/etc/passwd \
        .%2e/etc/passwd ..%2fetc%2fpasswd sub%2f1 %00 hello.txt%00 %zz; do
        [ "$(status --path-as-is "$url$path")" = 400 ] || bad="$bad $path"
    done
    same W2_paths_that_climb_get_400 "" "$bad"
    bad=
    for path in out climb/passwd loop proc fifo null zero .secret/file nowhere \
        hello.txt/ hello.txt/x sub/. ..%5c..%5cetc; do
        [ "$(status --path-as-is "$url$path")" = 404 ] || bad="$bad $path"
    done
    same W2_what_is_no_file_below_the_root_gets_404 "" "$bad"
}

# One file system below the root, of the kernel's: needs a mount namespace.
test_mounts()
{
    mkdir -p "$www/mounted"
    if ! command -v unshare >/dev/null 2>&1 ||
        ! unshare -m mount -t proc proc "$www/mounted" 2>/dev/null; then
        skip W2_file_systems_below_the_root_are_not_served "cannot mount here"
        rmdir "$www/mounted"
        return
    fi
    : >"$work/out"
    # shellcheck disable=SC2016
    unshare -m sh -c 'mount -t proc proc "$1" && shift && exec "$@"' sh \
        "$www/mounted" "$gyre" serve "$www" --quiet --listen 127.0.0.1:0 \
        >"$work/out" 2>"$work/err" &
    pid=$!
    await_start
    same W2_file_systems_below_the_root_are_not_served "404 404 404 200" \
        "$(status "$url"mounted/) $(status "$url"mounted/meminfo) $(status \
            "$url"mounted/self/environ) $(status "$url"hello.txt)"
    stop
    rmdir "$www/mounted"
}

# heads NAME STATUS: each line of standard input is a head that gets STATUS, and
# then the end of the connection.
heads()
{
    bad=
    while read -r line; do
        given=$(raw "$line")
        [ "$given" = "$2" ] || bad="$bad [$line: $given]"
    done
    same "$1" "" "$bad"
}

test_heads()
{
    get='GET \/ HTTP\/1.1\\r\\nHost: h\\r\\n'
    sed "s/^GET+/$get/" <<'END' | heads W2_ambiguous_requests_get_400 400
GET+Content-Length: 1\r\nContent-Length: 2\r\n\r\n
GET+Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc
GET+Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
GET+Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n
GET+Transfer-Encoding: chunked, gzip\r\n\r\n
GET+X: \rTransfer-Encoding: chunked\r\n\r\n
GET+ folded: x\r\n\r\n
GET+\tfolded: x\r\n\r\n
GET+X: a\r\n b\r\n\r\n
GET+X : a\r\n\r\n
GET+X: a\n\r\n
GET+X: a\r\n\n
GET / HTTP/1.1\nHost: h\n\n
GET / HTTP/1.1\r\n\r\n
GET+Host: other\r\n\r\n
GET+X: a\001b\r\n\r\n
garbage\r\n\r\n
\026\003\001\002\000\001\000\001\374\003\003
GET / HTTP/1.1 \r\nHost: h\r\n\r\n
GET  / HTTP/1.1\r\nHost: h\r\n\r\n
END
    heads W2_other_methods_get_405 405 <<'END'
POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc
DELETE /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n
FROBNICATE / HTTP/1.1\r\nHost: h\r\n\r\n
END
    has W2_405_says_which_are_allowed "$work/raw" "Allow: GET, HEAD"
    heads W2_other_versions_get_505 505 <<'END'
GET / HTTP/2.0\r\nHost: h\r\n\r\n
PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n
END
    long=$(head -c 20000 /dev/zero | tr '\0' a)
    same W2_long_targets_get_414 414 \
        "$(raw "GET /$long HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")"
    same W2_long_headers_get_431 431 \
        "$(raw "GET / HTTP/1.1\\r\\nHost: h\\r\\nX: $long\\r\\n\\r\\n")"
    many=$(printf 'X: y\\r\\n%.0s' $(seq 101))
    same W2_many_headers_get_431 431 \
        "$(raw "GET / HTTP/1.1\\r\\nHost: h\\r\\n$many\\r\\n")"
    same W2_a_body_ends_the_connection 200 "$(raw \
        'GET /hello.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 48\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n')"
}

test_pipelining()
{
    one='GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n'
    last='HEAD /sub/1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
    same W2_pipelined_requests_are_answered_in_order \
        "200 200 404 200 206 200" \
        "$(raw "$one$one"'GET /no HTTP/1.1\r\nHost: h\r\n\r\n'"$one"'GET /hello.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=0-4\r\n\r\n'"$last")"
    many=
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        many="$many$one$one$one$one$one$one$one$one$one$one"
        many="$many$one$one$one$one$one$one$one$one$one$one"
        many="$many$one$one$one$one$one$one$one$one$one$one"
    done
    same W2_hundreds_of_requests_may_be_pipelined 301 \
        "$(raw "$many$last" | wc -w)"
}

test_log()
{
    raw 'GET /\\x22 HTTP/1.1\r\nHost: h\r\nUser-Agent: a"b\377\r\nConnection: close\r\n\r\n' \
        >/dev/null
    stop
    same W2_sigterm_ends_with_0 0 $code
    has W2_the_log_escapes_what_clients_say "$work/log" 'a\x22b\xFF"'
    if LC_ALL=C grep -q '[^ -~]' "$work/log"; then
        not_ok W2_the_log_has_no_control_bytes \
            "$(LC_ALL=C grep '[^ -~]' "$work/log" | od -c | head -n 5)"
    else
        ok W2_the_log_has_no_control_bytes
    fi
}

# ---- timeouts and limits ---------------------------------------------------

test_timeouts()
{
    start --header-timeout 2 --idle-timeout 3
    "$load" slow "$port" 200 20 >"$work/slow"
    numbers=$(tail -n 1 "$work/slow")
    case $numbers in
    "cut=200 told=200 first_s="[2-9].* | "cut=200 told=200 first_s="[1-9][0-9]*)
        ok W2_slow_heads_get_408
        ;;
    *) not_ok W2_slow_heads_get_408 "$numbers" ;;
    esac

    # Idle: one request, then nothing. The connection is closed without a word.
    begin=$(date +%s)
    same W2_idle_connections_are_closed 200 \
        "$(raw 'GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n')"
    if [ $(($(date +%s) - begin)) -ge 2 ]; then
        ok W2_idle_connections_are_closed_not_before_their_time
    else
        not_ok W2_idle_connections_are_closed_not_before_their_time \
            "after $(($(date +%s) - begin)) s"
    fi
    stop
}

# CPU time of process $1 so far, in ticks.
cpu_ticks()
{
    sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

test_descriptors()
{
    : >"$work/out"
    # dash, bash and busybox all have ulimit -n.
    # shellcheck disable=SC3045
    (
        ulimit -n 40 && exec "$gyre" serve "$www" --listen 127.0.0.1:0 --quiet
    ) >"$work/out" 2>"$work/err" &
    pid=$!
    await_start
    same W2_few_descriptors_serve_many_clients "good=100" \
        "$("$load" fetch "$port" 100 /sub/100000)"

    # Slow clients hold every place; the rest waits, and nothing spins.
    : >"$work/slow"
    "$load" slow "$port" 60 3 >>"$work/slow" &
    slow=$!
    until grep -q connected "$work/slow"; do sleep 0.1; done
    before=$(cpu_ticks "$pid")
    sleep 2
    after=$(cpu_ticks "$pid")
    if [ $((after - before)) -le 40 ]; then
        ok W2_without_descriptors_nothing_spins
    else
        not_ok W2_without_descriptors_nothing_spins \
            "$((after - before)) ticks in 2 s"
    fi
    wait "$slow"
    same W2_accept_goes_on_when_descriptors_are_free "good=50" \
        "$("$load" fetch "$port" 50 /sub/1000)"
    stop
}

test_status()
{
    start --status --stall 60000 --max-connections 4
    curl -s -m 20 "$url".gyre/status >"$work/page"
    has W2_the_status_page_counts "$work/page" "connections, at most"
    has U6_the_status_page_counts_stalls "$work/page" "longest stall"
    same W2_few_connections_serve_many_clients "good=100" \
        "$("$load" fetch "$port" 100 /sub/16385)"
    stop
}

test_passed()
{
    : >"$work/out"
    "$load" pass "$gyre" serve "$www" --listen systemd:0 --listen \
        "unix:@gyre-$$" --quiet >"$work/out" 2>"$work/err" &
    pid=$!
    await_start
    same W2_a_socket_that_systemd_passes_is_served "200 200" \
        "$(status "$url"hello.txt) $(status --abstract-unix-socket \
            "gyre-$$" http://unix/hello.txt)"
    stop
    same W2_a_server_that_systemd_starts_ends_well 0 "$code"
}

test_addresses()
{
    start --listen "unix:$work/socket" --listen 127.0.0.1:0 --max-connections 1
    same W2_unix_sockets_are_served 200 "$(status --unix-socket \
        "$work/socket" http://unix/hello.txt)"
    other=$(sed -n 's/^gyre: serving .* at http:.*:\([0-9]*\)\/$/\1/p' \
        "$work/out" | tail -n 1)
    same W2_every_address_gets_its_turn "good=20 good=20 good=20" \
        "$("$load" fetch "$other" 20 /sub/1) $("$load" fetch "$port" 20 \
            /sub/1) $("$load" fetch "$other" 20 /sub/1)"
    stop
    if [ -e "$work/socket" ]; then
        not_ok W2_unix_sockets_are_removed_at_the_end "$work/socket is there"
    else
        ok W2_unix_sockets_are_removed_at_the_end
    fi
    if grep -q '^00000000000000000000000000000001' /proc/net/if_inet6 \
        2>/dev/null; then
        start --listen '[::1]:0'
        six=$(sed -n 's/^gyre: serving .* at \(http:...::1.*\)/\1/p' \
            "$work/out")
        same W2_ipv6_is_served 200 "$(status -g "$six"hello.txt)"
        stop
    else
        skip W2_ipv6_is_served "no IPv6 here"
    fi
}

# ---- long --------------------------------------------------------------------

test_long()
{
    truncate -s 5G "$www/5G"
    printf 'end' | dd of="$www/5G" bs=1 seek=$((5 * 1073741824 - 3)) \
        conv=notrunc 2>/dev/null
    start
    curl -s -m 300 "$url"5G | cmp -s - "$www/5G"
    same W2_files_beyond_4_GiB_come_whole 0 $?
    same W2_ranges_beyond_4_GiB_are_understood end \
        "$(curl -s -m 20 -r -3 "$url"5G)"
    stop
    rm "$www/5G"

    start --header-timeout 10
    quiet=$("$load" ping "$port" 2000 /sub/1000 | sed 's/.*p99_us=\([0-9]*\).*/\1/')
    : >"$work/slow"
    "$load" slow "$port" 10000 60 >>"$work/slow" &
    slow=$!
    until grep -q connected "$work/slow"; do sleep 0.1; done
    loud=$("$load" ping "$port" 2000 /sub/1000 | sed 's/.*p99_us=\([0-9]*\).*/\1/')
    wait "$slow"
    stop
    numbers=$(tail -n 1 "$work/slow")
    echo "# p99 of others: $quiet us alone, $loud us among slow clients; $numbers"
    case $numbers in
    "cut=10000 told=10000 "*) ok W2_ten_thousand_slow_clients_are_cut ;;
    *) not_ok W2_ten_thousand_slow_clients_are_cut "$numbers" ;;
    esac
}

test_dump()
{
    start
    status "$url"hello.txt >/dev/null # it accepts by now
    kill -USR1 "$pid"
    tries=0
    until grep -q '^end of dump' "$work/err" || [ $tries -gt 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    has U2_serve_tells_what_it_is_doing_on_SIGUSR1 "$work/err" "on ACCEPT on fd"
    stop
    same U2_serve_goes_on_after_a_dump 0 "$code"
}

# What is left of it is enough to serve, and no more.
test_sandbox()
{
    set -- --sandbox
    uid=$(id -u)
    if [ "$uid" = 0 ]; then
        set -- "$@" --user nobody
        uid=$(id -u nobody)
        chmod 755 "$work"
    fi
    # A sanitizer looks for leaks by calls that are refused.
    before=${ASAN_OPTIONS:-}
    export ASAN_OPTIONS="detect_leaks=0:$before"
    start "$@"
    export ASAN_OPTIONS="$before"
    same X6_a_server_serves_in_a_sandbox "200 200 404 206" \
        "$(status "$url"hello.txt) $(status "$url"sub/) $(status \
            "$url"none) $(status -r 0-3 "$url"hello.txt)"
    same X6_the_server_has_a_filter_no_way_back_and_another_user \
        "NoNewPrivs: 1 Seccomp: 2 Uid: $uid $uid $uid $uid" \
        "$(awk '/^(NoNewPrivs|Seccomp|Uid):/ { $1 = $1; print }' \
            "/proc/$pid/status" | sort | tr '\n' ' ' | sed 's/ $//')"
    stop
    same X6_the_server_ends_well_in_a_sandbox 0 "$code"
    [ "$uid" = "$(id -u)" ] || chmod 700 "$work"
}

test_kernel()
{
    export GYRE_KERNEL="$1"
    kernel=$1
    start
    test_files
    test_ranges
    test_conditions
    test_directories
    test_status_page
    test_paths
    test_heads
    test_pipelining
    test_log
    test_mounts
    test_timeouts
    test_descriptors
    test_status
    test_addresses
    test_passed
    test_drain
    test_second_signal
    test_stalled_clients
    test_stuck_log
    test_dump
    test_sandbox
    [ -z "${GYRE_LONG:-}" ] || test_long
    kernel=
}

. "$root/tests/scripts/serve/refusals.sh"
. "$root/tests/scripts/serve/engines.sh"
. "$root/tests/scripts/serve/ends.sh"
for program in "$gyre" "$load"; do
    [ -x "$program" ] ||
        { echo "serve.sh: $program: build it first" >&2; exit 1; }
done
"$gyre" --help | grep -q ' serve ' ||
    { skip W2_gyre_serve "built without llhttp"; exit 0; }
command -v curl >/dev/null 2>&1 ||
    { skip W2_gyre_serve "curl is not installed"; exit 0; }

# Most of it is waiting, so the kernels have their turns at the same time.
if [ $# -gt 1 ]; then
    make_files
    head -c 52428800 /dev/zero >"$www/50M"
    test_kernel "$2"
    test_engines "$2"
    exit $failed
fi
if "$gyre" doctor --json | grep -q '"refusal": null'; then
    sh "$0" "$build" uring >"$work/uring" 2>&1 &
    uring=$!
else
    uring=
    skip W2_gyre_serve_on_uring "io_uring is refused here"
fi
sh "$0" "$build" emu >"$work/emu" 2>&1 || failed=1
[ -z "$uring" ] || wait "$uring" || failed=1
[ -z "$uring" ] || cat "$work/uring"
cat "$work/emu"
make_files
test_refusals
exit $failed
