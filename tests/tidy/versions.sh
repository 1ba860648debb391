#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A number of Linux decides nothing but by the table of src/ring/advice.c: only
# src/ring/release.c asks which Linux this is, only these two, and who shows it,
# have to do with its number. And that table is in docs/KERNELS.md as
# `gyre doctor --advice` prints it.
. "$(dirname "$0")/lib.sh"

gyre=$build/gyre

# Who may: the two, and those that name the release to people.
numbers='src/ring/(release|advice)\.[ch]|tools/gyre/advice\.c'
shown="$numbers|src/kernel/(facts|refusal)\.c"

code()
{
    (cd "$1" && find src compat tools include -name '*.[ch]' \
        -exec grep -nE "$2" {} +) | grep -vE '^[^:]*:[0-9]+: +?\*' # comments
}

nobody_else_asks()
{
    asks='\buname *\(|utsname|KERNEL_VERSION|LINUX_VERSION|osrelease'
    code "$1" "$asks|/proc/version" |
        grep -vE '^src/ring/release\.c:'
}

nobody_else_compares()
{
    number='release[a-z_()]*(->|\.)number'
    code "$1" "\bRELEASE *\(|\brelease_parse *\(|$number|advice_is_for *\(" |
        grep -vE "^($numbers|src/ring/feature\.c):"
    code "$1" '\brelease_here *\(' |
        grep -vE "^($shown|src/ring/feature\.c):"
}

is_the_table()
{
    "$gyre" doctor --advice > "$work/page"
    sed -n '/^<!-- gyre doctor --advice -->$/,/^<!-- end -->$/p' \
        "$1/docs/KERNELS.md" | sed '/^<!-- /d' | sed '/^$/d' > "$work/there"
    diff "$work/page" "$work/there"
}

holds only_one_asks_for_the_release nobody_else_asks
plant
echo 'int forged(void) { return uname(0); }' >> "$copy/src/kernel/choose.c"
finds planted_uname_is_found nobody_else_asks choose.c

holds only_advice_knows_releases nobody_else_compares
plant
echo 'int forged(void) { return release_here()->number > 6; }' >> \
    "$copy/src/kernel/uring/route.c"
finds planted_release_is_found nobody_else_compares route.c

if [ ! -x "$gyre" ]; then
    skip advice "no gyre in $build"
    exit $status
fi
holds advice_in_the_page_is_made_from_the_table is_the_table
plant
sed 's/^| `slow` .*/| `slow` | forged |/' "$root/docs/KERNELS.md" > \
    "$copy/docs/KERNELS.md"
finds planted_line_of_advice_is_found is_the_table forged
exit $status
