#!/bin/sh
# SPDX-License-Identifier: MIT
#
# docs/OPERATIONS.md is what `gyre doctor --operations` prints, each of its cells
# says something, and each name in it is there: the functions in the public
# headers, the rows among the tests' names.
. "$(dirname "$0")/lib.sh"

gyre=$build/gyre

is_the_table()
{
    "$gyre" doctor --operations > "$work/page"
    diff "$work/page" "$1/docs/OPERATIONS.md"
}

rows()
{
    grep -E '^\| [A-Z0-9_]+ \|' "$1/docs/OPERATIONS.md"
}

cells_are_full()
{
    rows "$1" | awk -F'|' '{
        for (i = 2; i < NF; i++)
            if ($i ~ /^ *$/) { print $2 ": cell " i - 1 " is empty"; next }
    }'
}

functions_are_public()
{
    rows "$1" | grep -o -E '\bgyre_[a-z0-9_]+' | sort -u |
        while read -r name; do
            grep -q -E "\\b$name\\(" "$1"/include/gyre/*.h ||
                echo "$name is in no public header"
        done
}

rows_have_tests()
{
    rows "$1" | awk -F'|' '{ print $7 }' | tr ' ' '\n' | sort -u |
        grep -v '^$' | while read -r row; do
            grep -r -q -E "TEST[A-Z0-9_]*\\(([A-X][0-9]+_)*${row}_" "$1/tests" ||
                grep -r -q -E "\\b${row}_[a-z]" "$1/tests/scripts" ||
                echo "no test begins with $row"
        done
}

if [ ! -x "$gyre" ]; then
    skip operations "no gyre in $build"
    exit 0
fi
holds operations_page_is_made_from_the_table is_the_table
plant
echo '| FORGED | a | b | c | d | B1 |' >> "$copy/docs/OPERATIONS.md"
finds planted_line_in_the_page_is_found is_the_table FORGED

holds each_operation_says_all cells_are_full
plant
echo '| FORGED | `gyre_op_nop` |  | 5.1 | d | B1 |' >> "$copy/docs/OPERATIONS.md"
finds planted_empty_cell_is_found cells_are_full 'FORGED'

holds operations_name_public_functions functions_are_public
plant
echo '| FORGED | `gyre_op_forged` | b | c | d | B1 |' >> \
    "$copy/docs/OPERATIONS.md"
finds planted_function_that_is_nowhere_is_found functions_are_public \
    gyre_op_forged

holds operations_have_tests rows_have_tests
plant
echo '| FORGED | a | b | c | d | B99 |' >> "$copy/docs/OPERATIONS.md"
finds planted_operation_without_tests_is_found rows_have_tests B99
exit $status
