#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A busy server with sqpoll makes no system call for its requests: gyre serve
# under strace, which counts its calls of io_uring_enter.
#
#     sqpoll.sh [BUILD]     BUILD: where gyre lies (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
gyre=$build/gyre
work=$(mktemp -d) || exit 1
pid=
failed=0
requests=300
# The ring is attached, the thread woken, and the loop sleeps before the load.
allowed=20

finish()
{
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

skip()
{
    echo "skip A3_a_busy_server_enters_nothing: $1"
    exit 0
}

for tool in strace curl; do
    command -v $tool >/dev/null 2>&1 || skip "$tool is not installed"
done
[ -x "$gyre" ] || { echo "sqpoll.sh: $gyre: build it first" >&2; exit 1; }
unset GYRE_KERNEL GYRE_WITHOUT GYRE_LOOP
options=sqpoll,sqpoll_idle_ms=20000,spin_us=1000000
"$gyre" doctor --json --loop $options >"$work/json" 2>"$work/why" ||
    skip "no such ring here: $(head -n 1 "$work/why")"
# LeakSanitizer cannot look at a process that is traced.
ASAN_OPTIONS=detect_leaks=0
export ASAN_OPTIONS
strace -f -qq -e trace=none true 2>"$work/why" ||
    skip "strace cannot trace here: $(head -n 1 "$work/why")"

# serve OPTIONS: the number of io_uring_enter for so many requests, in $count.
serve()
{
    mkdir -p "$work/www"
    echo hello >"$work/www/file"
    : >"$work/out"
    : >"$work/err"
    strace -f -qq -o "$work/trace" -e trace=io_uring_enter \
        "$gyre" serve "$work/www" --listen 127.0.0.1:0 --loop "$1" \
        >"$work/out" 2>"$work/err" &
    pid=$!
    until grep -q 'http://' "$work/out" "$work/err" 2>/dev/null; do
        kill -0 $pid 2>/dev/null || { cat "$work/err" >&2; exit 1; }
        sleep 0.05
    done
    url=$(sed -n 's,.*\(http://[0-9.:]*\).*,\1,p' "$work/out" "$work/err" |
        head -n 1)
    got=$(curl -s -o /dev/null -w '%{http_code}\n' \
        "$url/file?[1-$requests]" | grep -c '^200$')
    pkill -TERM -P $pid
    wait $pid
    pid=
    count=$(grep -c io_uring_enter "$work/trace")
}

serve $options
if [ "$got" -eq "$requests" ] && [ "$count" -le $allowed ]; then
    echo "ok A3_a_busy_server_enters_nothing"
else
    echo "not ok A3_a_busy_server_enters_nothing:" \
        "$count calls of io_uring_enter for $got requests of $requests"
    failed=1
fi

# That they are counted at all.
serve spin_us=0
if [ "$count" -ge "$requests" ]; then
    echo "ok A3_without_sqpoll_a_server_enters"
else
    echo "not ok A3_without_sqpoll_a_server_enters: $count for $got requests"
    failed=1
fi
exit $failed
