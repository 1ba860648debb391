#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the compiler and the linker were to do against mistakes in memory, looked
# for in what they made.
#
#     hardening.sh [BUILD]
set -u
LC_ALL=C
export LC_ALL

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}
status=0

# judge NAME FILE WHY: by the last command.
judge()
{
    if [ "$?" -eq 0 ]; then
        echo "ok X6_$1 [$(basename "$2")]"
    else
        echo "not ok X6_$1 [$(basename "$2")]: $3"
        status=1
    fi
}

# look FILE FUNCTION: one that others may jump to.
look()
{
    file=$1
    readelf -hldW "$file" > "$work/head"
    nm -D --undefined-only "$file" > "$work/wants"

    grep -q GNU_RELRO "$work/head" && grep -q 'BIND_NOW\|FLAGS.*NOW' "$work/head"
    judge tables_of_addresses_are_read_only "$file" "no -z relro,-z now"
    ! grep 'GNU_STACK' "$work/head" | grep -q 'RWE'
    judge stacks_are_no_code "$file" "an executable stack"
    ! grep 'LOAD' "$work/head" | grep -q 'RWE'
    judge nothing_is_both_written_and_run "$file" "a segment that is both"
    grep -q 'Type:.*DYN' "$work/head"
    judge addresses_are_random "$file" "not position independent"
    grep -q '__stack_chk_fail' "$work/wants"
    judge stacks_have_canaries "$file" "no __stack_chk_fail"
    grep -q '_chk@\|_chk$' "$work/wants"
    judge copies_are_checked "$file" "no function of _FORTIFY_SOURCE"
    if readelf -h "$file" | grep -q 'X86-64\|AArch64'; then
        objdump -d --disassemble="$2" "$file" | grep -q 'endbr64\|bti'
        judge jumps_land_where_they_should "$file" "$2 begins with no endbr64"
    fi
}

if [ ! -e "$build/gyre" ]; then
    echo "skip X6_hardening: no gyre in $build"
    exit 0
fi
if grep -q '^GYRE_SANITIZE:STRING=.' "$build/CMakeCache.txt" ||
    grep -q -e '^CMAKE_BUILD_TYPE:STRING=Debug' -e '^GYRE_HARDEN:BOOL=OFF' \
        "$build/CMakeCache.txt"; then
    echo "skip X6_hardening: not a release build"
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
look "$build/gyre" main
[ ! -e "$build/libgyre.so" ] || look "$build/libgyre.so" gyre_loop_run
exit $status
