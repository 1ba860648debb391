# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
#
# lib.sh - what the checks of the source share; read by each with `.`
#
# A check is a function that gets the root of a tree and prints a line for each
# thing it finds wrong there, or nothing. `holds` runs it on the real tree;
# `finds` runs it on a copy in which something wrong was planted, so that a check
# that has stopped looking is itself a failure.
set -u
LC_ALL=C
export LC_ALL

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}
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

# holds NAME CHECK: the check finds nothing in the tree.
holds()
{
    "$2" "$root" > "$work/found" 2>&1
    if [ -s "$work/found" ]; then
        cat "$work/found" >&2
        not_ok "$1" "$(head -n 1 "$work/found")$(
            [ "$(wc -l < "$work/found")" -eq 1 ] ||
                echo " (and $(($(wc -l < "$work/found") - 1)) more)")"
    else
        ok "$1"
    fi
}

# plant: a fresh copy of the sources, whose path is $copy.
plant()
{
    copy=$work/copy
    rm -rf "$copy"
    mkdir "$copy"
    for part in include src compat tools examples bench fuzz tests docs packaging; do
        [ ! -e "$root/$part" ] || cp -R "$root/$part" "$copy/"
    done
}

# finds NAME CHECK TEXT: the check finds TEXT in the copy, and by it alone we
# know that it looks.
finds()
{
    "$2" "$copy" > "$work/found" 2>&1
    if grep -q -e "$3" "$work/found"; then
        ok "$1"
    else
        not_ok "$1" "what was planted was not found"
    fi
}
