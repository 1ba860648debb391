#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The front door itself: its help names every command, wrong use ends with 2, and
# `./dev capabilities` has one line for each row and honest counts. (That all of
# ./dev works in a bare Debian is seen by running it there.)
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
status=0

# In a copy, for ./dev writes into build/.
mkdir "$work/copy" && cd "$root" && cp -R dev docs tests "$work/copy/" &&
    cd "$work/copy" || exit 1

# check NAME COMMAND...
check()
{
    name=$1
    shift
    if "$@" > "$work/said" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: $(head -n 1 "$work/said")"
        status=1
    fi
}

help_names_each_command()
{
    ./dev help > "$work/help" || return 1
    for command in demo build test bench capabilities lint format setup clean \
        help; do
        grep -q "^  $command" "$work/help" ||
            { echo "help lacks $command"; return 1; }
    done
}

wrong_use_ends_with_2()
{
    ./dev frobnicate > "$work/out" 2>&1
    [ $? -eq 2 ]
}

each_row_has_a_line()
{
    ./dev capabilities > "$work/rows" || return 1
    sed -n 's/^| \([A-X][0-9][0-9]*\) | .*/\1/p' docs/CAPABILITIES.md \
        > "$work/expected"
    sed -n '$d; s/^\([A-X][0-9]*\): .*/\1/p' "$work/rows" > "$work/got"
    cmp "$work/expected" "$work/got"
}

counts_add_up()
{
    open=$(grep -c ': open$' "$work/rows")
    all=$(wc -l < "$work/expected" | tr -d ' ')
    [ "$(tail -n 1 "$work/rows")" = \
        "$all rows: $((all - open)) proved, $open open" ]
}

# A name that occurs only in a comment proves nothing.
comments_prove_nothing()
{
    mkdir -p "$work/tree/docs" "$work/tree/tests/x" &&
        cp dev "$work/tree/" &&
        cp tests/report.sh "$work/tree/tests/" || return 1
    printf '| A1 | a |\n| A2 | b |\n| A3 | c |\n' \
        > "$work/tree/docs/CAPABILITIES.md"
    printf '/* TEST(A1_in_a_comment) */\nTEST(A2_A3_real)\n{\n}\n' \
        > "$work/tree/tests/x/test_x.c"
    (cd "$work/tree" && ./dev capabilities) > "$work/small" || return 1
    printf 'A1: open\nA2: A2_A3_real\nA3: A2_A3_real\n%s\n' \
        '3 rows: 2 proved, 1 open' | cmp - "$work/small"
}

check dev_help_names_each_command help_names_each_command
check dev_wrong_use_ends_with_2 wrong_use_ends_with_2
check dev_capabilities_has_a_line_for_each_row each_row_has_a_line
check dev_capabilities_counts_add_up counts_add_up
check dev_capabilities_ignores_comments comments_prove_nothing

exit $status
