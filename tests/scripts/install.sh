#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What `cmake --install` leaves behind: a program that knows nothing of the
# source tree finds the library by pkg-config, compiles, links against the
# shared and the static library, and runs.
#
#     install.sh [BUILD]
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
cc=${CC:-cc}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
status=0

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

name=install_obeys_DESTDIR
if ! command -v cmake > "$work/out"; then
    skip $name "no cmake"
    exit 0
fi
if ! DESTDIR=$work/root cmake --install "$build" > "$work/log" 2>&1; then
    not_ok $name "$(tail -n 1 "$work/log")"
    exit 1
fi
prefix=$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$build/CMakeCache.txt")
top=$work/root$prefix
pc=$(find "$top" -name gyre.pc)
lib=$(dirname "$(find "$top" -name libgyre.a)")
if [ -e "$top/include/gyre/gyre.h" ] && [ -n "$pc" ] &&
    [ -e "$lib/libgyre.so.0" ] && [ -x "$top/bin/gyre" ]; then
    ok $name
else
    not_ok $name "headers, gyre.pc, libgyre.so.0 or the program is missing"
fi

# All that is installed lies below the prefix, and none of it names the places
# where it was built.
name=installed_files_name_no_build_directory
if grep -rlI -e "$build" -e "$root/" "$top" > "$work/found"; then
    not_ok $name "$(head -n 1 "$work/found")"
else
    ok $name
fi

if ! command -v pkg-config > "$work/out"; then
    skip installed_library_is_found_by_pkg_config "no pkg-config"
    exit $status
fi
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$work/root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR

cat > "$work/user.c" <<'END'
#include <gyre/gyre.h>
#include <stdio.h>

static int main_task(void *arg)
{
    return *(int *)arg;
}

int main(void)
{
    int answer = 42;
    if (gyre_run(NULL, main_task, &answer) != 42)
        return 1;
    puts(gyre_version());
    return 0;
}
END

# user NAME LINK...: compile, link and run; the version must be the .pc file's.
user()
{
    name=$1
    shift
    # shellcheck disable=SC2046 # lists of flags
    if ! "$cc" -std=c11 -Wall -Wextra -Werror $(pkg-config --cflags gyre) \
        "$work/user.c" "$@" -o "$work/user" 2> "$work/log"; then
        not_ok "$name" "$(head -n 1 "$work/log")"
    elif ! LD_LIBRARY_PATH=$lib "$work/user" > "$work/out" 2>&1; then
        not_ok "$name" "it failed: $(head -n 1 "$work/out")"
    elif [ "$(cat "$work/out")" != "$(pkg-config --modversion gyre)" ]; then
        not_ok "$name" "the library is $(cat "$work/out"), gyre.pc is \
$(pkg-config --modversion gyre)"
    else
        ok "$name"
    fi
}

# shellcheck disable=SC2046 # lists of flags
user installed_shared_library_serves_a_user $(pkg-config --libs gyre)
# shellcheck disable=SC2046
user installed_static_library_serves_a_user "$lib/libgyre.a" \
    $(pkg-config --static --libs-only-other gyre)

exit $status
