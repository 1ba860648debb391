#!/bin/sh
# SPDX-License-Identifier: MIT
#
# docs/OPTIONS.md is what `gyre doctor --options` prints, each of its cells says
# something, and each member of the options has a line.
. "$(dirname "$0")/lib.sh"

gyre=$build/gyre

is_the_table()
{
    "$gyre" doctor --options > "$work/page"
    diff "$work/page" "$1/docs/OPTIONS.md"
}

cells_are_full()
{
    grep '^| `' "$1/docs/OPTIONS.md" | awk -F'|' '{
        for (i = 2; i < NF; i++)
            if ($i ~ /^ *$/) { print $2 ": cell " i - 1 " is empty"; next }
    }'
}

# The members of gyre_loop_options and gyre_ring_options, one to a line.
members()
{
    sed -n '/^typedef struct gyre_loop_options {/,/^} /p' \
        "$1/include/gyre/loop.h"
    sed -n '/^typedef struct gyre_ring_options {/,/^} /p' \
        "$1/include/gyre/ring.h"
}

members_have_lines()
{
    members "$1" | grep -E '^    [a-z].*;' | sed 's/;.*//; s/.*[ *]//' |
        grep -v -E '^(size|ring)$' | while read -r name; do
            grep -q "^| \`$name\` |" "$1/docs/OPTIONS.md" ||
                echo "$name has no line"
        done
}

if [ ! -x "$gyre" ]; then
    skip options "no gyre in $build"
    exit 0
fi
holds options_page_is_made_from_the_table is_the_table
plant
echo '| `forged` | a | b | c | d | e |' >> "$copy/docs/OPTIONS.md"
finds planted_line_in_the_options_is_found is_the_table forged

holds each_option_says_all cells_are_full
plant
echo '| `forged` | a |  | c | d | e |' >> "$copy/docs/OPTIONS.md"
finds planted_empty_cell_of_an_option_is_found cells_are_full forged

holds each_member_of_the_options_has_a_line members_have_lines
plant
sed -i 's/^} gyre_ring_options;/    int forged;\n&/' \
    "$copy/include/gyre/ring.h"
finds planted_member_without_a_line_is_found members_have_lines forged
exit $status
