#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The faults of tests/faults/, by which `./dev capabilities --prove` shows that
# tests notice what they are there for: each patch still applies to the tree,
# says what it breaks, and names rows of docs/CAPABILITIES.md; each row that has
# tests has one fault.
. "$(dirname "$0")/lib.sh"

applies()
{
    (cd "$1" && sh "$root/tests/faults/apply" --check "$2") \
        > "$work/said" 2>&1
}

# rows_of PATCH: the rows that its name names.
rows_of()
{
    basename "$1" .patch | tr _ '\n'
}

each_fault_applies()
{
    for patch in "$1"/tests/faults/*.patch "$1"/fuzz/faults/*.patch; do
        applies "$1" "$patch" ||
            echo "$(basename "$patch") does not apply: $(head -n 1 "$work/said")"
    done
}

each_fault_is_told()
{
    awk '
        FNR == 1 {
            if (NR > 1) judge()
            file = FILENAME
            sub(/.*\//, "", file)
            name = $0
            told = words = diff = 0
        }
        /^diff / { diff = 1 }
        FNR == 2 && $0 == "" { told = 1 }
        FNR > 2 && !diff && !/^needs: / { words += NF }
        /^needs: / && !diff && $2 != "asan" {
            print file ": it needs an unknown " $2
        }
        function judge() {
            if (name == "" || name ~ /^diff / || !told || words < 3)
                print file ": a name, an empty line and a sentence stand " \
                    "above the diff"
        }
        END { judge() }' "$1"/tests/faults/*.patch
}

# The rows that have tests, by `./dev capabilities`, which writes to build/.
rows_with_tests()
{
    rm -rf "$work/rows"
    mkdir "$work/rows"
    (cd "$1" && cp -R dev docs tests "$work/rows/") &&
        (cd "$work/rows" && ./dev capabilities) |
        sed -n '/: open$/d; s/^\([A-X][0-9]*\): .*/\1/p'
}

names_are_rows()
{
    for patch in "$1"/tests/faults/*.patch; do
        rows_of "$patch"
    done > "$work/named"
    sort "$work/named" | uniq -d | sed 's/$/ has more than one fault/'
    sort -u "$work/named" > "$work/named-once"
    sed -n 's/^| \([A-X][0-9][0-9]*\) | .*/\1/p' "$1/docs/CAPABILITIES.md" |
        sort > "$work/rows-known"
    comm -23 "$work/named-once" "$work/rows-known" |
        sed 's/^/a fault names a row that is none: /'
}

rows_have_faults()
{
    names_are_rows "$1" > "$work/ignored"
    rows_with_tests "$1" | sort > "$work/rows-tested"
    comm -23 "$work/rows-tested" "$work/named-once" |
        sed 's|.*|& has tests, and no fault: tests/faults/&.patch|'
}

plant_all()
{
    plant
    cp "$root/dev" "$copy/"
    patch=$(find "$copy/tests/faults" -name '[A-X]*.patch' | sort | head -n 1)
    row=$(rows_of "$patch" | head -n 1)
}

if command -v git > /dev/null 2>&1; then
    holds each_fault_applies each_fault_applies
    plant_all
    awk '/^[-+][^-+]/ { sub(/./, "&planted ") } { print }' "$patch" \
        > "$work/planted" && mv "$work/planted" "$patch"
    finds planted_fault_that_does_not_apply_is_found each_fault_applies \
        "^$(basename "$patch") does not apply"
else
    skip each_fault_applies "git is not installed"
fi

holds each_fault_says_what_it_breaks each_fault_is_told
plant_all
sed '3d' "$patch" > "$work/planted" && mv "$work/planted" "$patch"
finds planted_fault_without_a_sentence_is_found each_fault_is_told \
    "^$(basename "$patch"): a name"

holds each_fault_names_rows names_are_rows
plant_all
cp "$patch" "$copy/tests/faults/X999.patch"
finds planted_fault_without_a_row_is_found names_are_rows \
    'a row that is none: X999'

holds each_row_with_tests_has_a_fault rows_have_faults
plant_all
rm "$patch"
finds planted_row_without_a_fault_is_found rows_have_faults \
    "^$row has tests, and no fault"

exit $status
