#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Machines that gyre cannot run on are refused when it is configured: the
# sentence names the compiler, the reason and what to do. Each compiler for such
# a machine that is here is tried, and this one's own -m32.
#
#     machines.sh [BUILD]
set -u
LC_ALL=C
export LC_ALL

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
status=0
tried=0

# refused NAME COMPILER OPTION...: configuring ends with the sentence, and
# nothing was made that could be built.
refused()
{
    name=machines_of_32_bits_are_refused_with_the_reason\ [$1]
    compiler=$2
    shift 2
    tried=$((tried + 1))
    if cmake -S "$root" -B "$work/$tried" "$@" > "$work/log" 2>&1; then
        echo "not ok $name: it was configured"
        status=1
        return
    fi
    tr -s ' \n' '  ' < "$work/log" > "$work/said" # CMake breaks lines
    for part in 'gyre needs 64-bit pointers, and ' \
        "$compiler makes programs with 32-bit ones for " \
        'user_data is the op.s address' 'Build for a 64-bit machine: x86_64'; do
        if ! grep -q -e "$part" "$work/said"; then
            echo "not ok $name: it does not say '$part'"
            status=1
            return
        fi
    done
    if [ -e "$work/$tried/Makefile" ] || [ -e "$work/$tried/build.ninja" ]; then
        echo "not ok $name: and yet it can be built"
        status=1
        return
    fi
    echo "ok $name"
}

if ! command -v cmake > "$work/out"; then
    echo "skip machines_of_32_bits_are_refused_with_the_reason: no cmake"
    exit 0
fi
for triple in i686-linux-gnu arm-linux-gnueabihf; do
    ! command -v $triple-gcc > "$work/out" ||
        refused $triple $triple-gcc \
            --toolchain "$root/cmake/$triple.cmake"
done
# Without a C library for it nothing can be linked; its types are known without.
echo 'int main(void) { return sizeof(int[sizeof(void *) == 4 ? 1 : -1]); }' \
    > "$work/narrow.c"
if ${CC:-cc} -m32 -c -o "$work/narrow.o" "$work/narrow.c" 2> "$work/out"; then
    refused -m32 "" -DCMAKE_C_FLAGS=-m32 \
        -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY
fi
[ $tried -gt 0 ] ||
    echo "skip machines_of_32_bits_are_refused_with_the_reason: no compiler" \
        "for one"
exit $status
