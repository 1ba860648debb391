#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Places that give a program little: io_uring forbidden in each way, no
# privileges, little memory to lock, few descriptors, no threads. In each, gyre
# doctor names the cause, and gyre serve answers a request, or says in one line
# what is missing.
#
#     hostile.sh [BUILD]     BUILD: where gyre and deny lie (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
work=$(mktemp -d) || exit 1
pid=
failed=0

finish()
{
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

skip_all()
{
    echo "skip Q10_hostile_places: $1"
    exit 0
}

[ -x "$build/gyre" ] || { echo "hostile.sh: no gyre in $build" >&2; exit 1; }
"$build/gyre" --help | grep -q ' serve ' || skip_all "built without llhttp"
command -v curl >/dev/null 2>&1 || skip_all "curl is not installed"
unset GYRE_KERNEL GYRE_WITHOUT GYRE_WITH GYRE_LINUX_RELEASE

# Where nobody may read them, too.
chmod 755 "$work"
cp "$build/gyre" "$work/"
mkdir "$work/docs"
cp "$root"/docs/*.md "$work/docs/"
chmod -R a+rX "$work/docs" "$work/gyre"

# A user whom nobody else is; as root we can become him.
nobody=
if [ "$(id -u)" -eq 0 ]; then
    nobody="setpriv --reuid=64341 --regid=64341 --clear-groups --"
    $nobody true 2>/dev/null || nobody=none
fi

check()
{
    name=$1
    why=$2
    shift 2
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name: $why"
        failed=1
    fi
}

# One request for each of two pages: what curl got, as "200 200", or nothing.
ask()
{
    for page in KERNELS.md OPERATIONS.md; do
        curl -s -m 20 -o "$work/body" -w '%{http_code} ' "$1$page"
    done
}

# Start gyre serve as "$@" says. Sets $pid, and $url unless it has ended.
serve()
{
    : >"$work/out"
    (cd "$work" && exec "$@" ./gyre serve docs --quiet \
        --listen 127.0.0.1:0) >"$work/out" 2>&1 &
    pid=$!
    until grep -q '^gyre: serving' "$work/out"; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    url=$(sed -n 's/^gyre: serving docs at //p' "$work/out")
}

stop()
{
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
    code=$?
    pid=
}

# place NAME CAUSE COMMAND...: below COMMAND, the doctor's report has CAUSE in
# it (an expression of grep's), and two pages are served.
place()
{
    place=$1
    cause=$2
    shift 2
    (cd "$work" && "$@" ./gyre doctor --json) >"$work/json" 2>"$work/err"
    check "$rows${place}_is_named_by_the_doctor" \
        "$(grep -m1 kernel_reason "$work/json") $(head -n 1 "$work/err")" \
        grep -q "$cause" "$work/json"
    serve "$@"
    got=$([ -z "$url" ] || ask "$url")
    stop
    check "$rows${place}_is_served_from" "$got $code $(head -n 1 "$work/out")" \
        [ "$got $code" = "200 200  0" ]
}

# --- io_uring refused -------------------------------------------------------

rows=A11_Q3_
deny=$build/deny
if [ -x "$deny" ] && "$deny" EPERM true; then
    place seccomp_EPERM 'EPERM (a seccomp filter' "$deny" EPERM
    place seccomp_ENOSYS 'io_uring_setup: ENOSYS' "$deny" ENOSYS
    place seccomp_of_enter_alone 'though not io_uring_setup' "$deny" ENTER
    place seccomp_that_kills 'seccomp kills on io_uring_setup' "$deny" KILL
    place seccomp_that_kills_late 'seccomp kills on io_uring_enter' \
        "$deny" LATEKILL
else
    echo "skip A11_Q3_seccomp: cannot deny here"
fi

# --- little of everything ---------------------------------------------------

rows=Q10_
if [ "$nobody" = none ] || ! command -v prlimit >/dev/null 2>&1; then
    echo "skip Q10_nobody: setpriv and prlimit are needed"
    exit $failed
fi
# shellcheck disable=SC2086 # $nobody is words
{
    place nobody '"error": null' $nobody
    place little_lockable_memory '"error": null' \
        $nobody prlimit --memlock=65536:65536
    place few_descriptors '"soft": 64' $nobody prlimit --nofile=64:64
    # LeakSanitizer, where there is one, needs a thread.
    place no_threads '"threads": false' $nobody prlimit --nproc=1:1 \
        env ASAN_OPTIONS=detect_leaks=0

    # Nothing may be locked: where that is too little, it is said.
    serve $nobody prlimit --memlock=0:0
    got=$([ -z "$url" ] || ask "$url")
    stop
}
if [ -n "$got" ]; then
    check Q10_no_lockable_memory_is_enough_or_named "$got" \
        [ "$got" = "200 200 " ]
else
    check Q10_no_lockable_memory_is_enough_or_named "$(cat "$work/out")" \
        [ "$(grep -c 'ulimit -l' "$work/out") $(wc -l <"$work/out")" = "1 1" ]
fi

# What may block is refused without threads, and that is said, once.
# shellcheck disable=SC2086
serve $nobody prlimit --nproc=1:1
curl -s -m 20 -o "$work/body" "$url" -o "$work/body" "$url"
stop
check Q10_no_threads_is_said_once "$(cat "$work/out")" \
    [ "$(grep -c 'no thread could be made.*ulimit -u' "$work/out")" -eq 1 ]
exit $failed
