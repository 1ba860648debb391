#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The invariants of docs/ARCHITECTURE.md are numbered: I1, I2, … Each is guarded
# by at least one assertion in src/ that cites it (/* I3 */), and by at least one
# test that does; and nobody cites an invariant that does not exist.
. "$(dirname "$0")/lib.sh"

page=docs/ARCHITECTURE.md

numbers()
{
    grep -oE '(^|[^A-Za-z0-9_])I[1-9][0-9]*([^A-Za-z0-9_]|$)' "$@" |
        grep -oE 'I[1-9][0-9]*' | sort -u
}

# Numbers cited in comments of the files below the given directories.
cited_in()
{
    find "$@" -name '*.[ch]' -exec cat {} + | numbers
}

# An assertion and its citation: on one line, or on the line above.
asserted_in()
{
    find "$@" -name '*.[ch]' -exec awk '
        FNR == 1 { before = "" }
        /(ASSERT|ASSERT_API|VERIFY|_Static_assert|static_assert)[A-Z_]*\(/ {
            print before
            print
        }
        /^[^;]*\/\*.*I[1-9]/ && before ~ /ASSERT|VERIFY/ { print }
        { before = $0 }' {} + | numbers
}

stated()
{
    numbers "$1/$page"
}

each_is_asserted()
{
    asserted_in "$1/src" > "$work/asserted"
    for number in $(stated "$1"); do
        grep -qx "$number" "$work/asserted" ||
            echo "$number is cited by no assertion in src/"
    done
}

each_is_tested()
{
    cited_in "$1/tests" > "$work/tested"
    for number in $(stated "$1"); do
        grep -qx "$number" "$work/tested" || echo "$number is cited by no test"
    done
}

none_is_invented()
{
    stated "$1" > "$work/stated"
    for number in $(cited_in "$1/src" "$1/tests"); do
        grep -qx "$number" "$work/stated" ||
            echo "$number is cited, but $page does not state it"
    done
}

if [ ! -e "$root/$page" ]; then
    not_ok each_invariant_is_asserted "there is no $page"
    exit 1
fi
[ -n "$(stated "$root")" ] || not_ok invariants_are_stated "$page numbers none"

holds each_invariant_is_cited_by_an_assertion each_is_asserted
holds each_invariant_is_cited_by_a_test each_is_tested
holds no_invariant_is_invented none_is_invented

plant
echo 'I97 is that this line is found.' >> "$copy/$page"
finds planted_invariant_without_assertion_is_found each_is_asserted I97
finds planted_invariant_without_test_is_found each_is_tested I97
plant
echo '/* I98 */' >> "$copy/src/base/assert.c"
finds planted_citation_of_nothing_is_found none_is_invented I98

exit $status
