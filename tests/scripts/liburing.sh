#!/bin/sh
# SPDX-License-Identifier: MIT
#
# libgyre-uring in the place of liburing.so.2: a program that was linked with
# one or the other, where any system call of io_uring kills.
#
#     liburing.sh [BUILD]
set -u
root=${GYRE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
build=$(cd "${1:-$root/build}" && pwd) || exit 1
cc=${CC:-cc}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
status=0
library=$build/libgyre-uring.so.2

ok()
{
    echo "ok $1"
}

not_ok()
{
    echo "not ok $1: $2"
    status=1
}

skip()
{
    echo "skip $1: $2"
}

# echoes NAME COMMAND...: the program sends its messages around.
echoes()
{
    name=$1
    shift
    if "$@" 50 > "$work/out" 2> "$work/errors" &&
        [ "$(cat "$work/out")" = "50 of 50" ]; then
        ok "$name"
    else
        cat "$work/errors" >&2
        not_ok "$name" "$(cat "$work/out" "$work/errors" | head -n 1)"
    fi
}

if [ ! -e "$library" ] || [ ! -x "$build/liburing_echo" ]; then
    skip liburing_programs_run_without_io_uring "not built: no liburing.h"
    exit 0
fi

echoes liburing_programs_run_without_io_uring \
    "$build/deny" KILL env GYRE_KERNEL=emu "$build/liburing_echo"
echoes liburing_programs_find_out_by_themselves \
    "$build/deny" EPERM "$build/liburing_echo"
echoes liburing_programs_run_on_what_there_is "$build/liburing_echo"

name=liburing_static_library_serves_a_user
if "$cc" -o "$work/static" "$root/tests/liburing/programs/echo.c" \
    "$build/libgyre-uring.a" -pthread 2> "$work/errors"; then
    echoes $name "$build/deny" EPERM "$work/static"
else
    not_ok $name "$(head -n 1 "$work/errors")"
fi

name=liburing_a_wrong_kernel_is_told
GYRE_KERNEL=none "$build/liburing_echo" > "$work/out" 2> "$work/errors"
if grep -q 'GYRE_KERNEL names no kernel' "$work/errors"; then
    ok $name
else
    not_ok $name "$(head -n 1 "$work/errors")"
fi

# With liburing itself, if its library is here.
if ! "$cc" -o "$work/echo" "$root/tests/liburing/programs/echo.c" -luring \
    2> "$work/errors"; then
    skip liburing_is_replaced_by_LD_PRELOAD "no liburing to link with"
    exit $status
fi
echoes liburing_is_replaced_by_LD_PRELOAD \
    "$build/deny" KILL env GYRE_KERNEL=emu LD_PRELOAD="$library" "$work/echo"

mkdir "$work/alias"
ln -s "$library" "$work/alias/liburing.so.2"
echoes liburing_is_replaced_by_its_name "$build/deny" KILL \
    env GYRE_KERNEL=emu LD_LIBRARY_PATH="$work/alias" "$work/echo"

# Each function that liburing exports, with its version.
name=liburing_s_functions_are_all_there
exports()
{
    nm -D --defined-only --with-symbol-versions "$1" |
        awk '$2 ~ /^[TW]$/ { sub(/@@/, "@", $3); print $3 }' | sort
}
theirs=$(ldd "$work/echo" | awk '$1 == "liburing.so.2" { print $3 }')
exports "$theirs" > "$work/theirs"
exports "$library" > "$work/ours"
missing=$(comm -23 "$work/theirs" "$work/ours" | tr '\n' ' ')
if [ ! -s "$work/theirs" ]; then
    not_ok $name "nothing is exported by '$theirs'"
elif [ -n "$missing" ]; then
    not_ok $name "$missing"
else
    ok $name
fi
exit $status
