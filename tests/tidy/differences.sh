#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every difference in docs/DIFFERENCES.md names the test that asserts it, and
# each test that is named there exists. A row whose test column begins with
# "none" says there why.
. "$(dirname "$0")/lib.sh"

rows()
{
    grep -E '^\| *[0-9]+ *\|' "$1/docs/DIFFERENCES.md"
}

each_names_a_test()
{
    rows "$1" | awk -F'|' '
        $(NF - 1) !~ /`[a-zA-Z0-9_]+`/ && $(NF - 1) !~ /^ *(none|the same)/ {
            print "difference" $2 "has no test"
        }'
}

each_test_exists()
{
    grep -r -h -o -E 'TEST[A-Z0-9_]*\([A-Za-z0-9_]+' "$1/tests" |
        sed 's/.*(//' | sort -u > "$work/tests"
    rows "$1" | awk -F'|' '{ print $(NF - 1) }' |
        grep -o -E '`[A-Za-z0-9_]+`' | tr -d '`' | sort -u |
        while read -r name; do
            grep -q -x -e "$name" "$work/tests" || echo "there is no test $name"
        done
}

holds S9_each_difference_names_its_test each_names_a_test
plant
echo '| 99 | a | b | c | later |' >> "$copy/docs/DIFFERENCES.md"
finds planted_difference_without_a_test_is_found each_names_a_test '99'

holds S9_each_test_of_a_difference_exists each_test_exists
plant
echo '| 99 | a | b | c | `no_such_test` |' >> "$copy/docs/DIFFERENCES.md"
finds planted_difference_whose_test_is_nowhere_is_found each_test_exists \
    no_such_test
exit $status
