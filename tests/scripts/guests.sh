#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How what guests say becomes the section of docs/KERNELS.md: tests/guest/table
# and tests/guest/kernels, on records that were made by hand. (That guests run at
# all is seen by ./dev kernels.)
set -u

root=${GYRE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
status=0

# check NAME FUNCTION: it prints what is wrong, or nothing.
check()
{
    "$2" > "$work/found" 2>&1
    if [ -s "$work/found" ]; then
        echo "not ok $1: $(head -n 1 "$work/found")"
        status=1
    else
        echo "ok $1"
    fi
}

# doctor KERNEL REASON SETUP_FLAG STATX: a little of what it says.
doctor()
{
    cat << END
guest: /doctor begins
{
  "kernel": "$1",
  "kernel_reason": "$2",
  "setup_flags": [
    "$3"
  ],
  "ops": {
    "NOP": true,
    "STATX": $4,
    "NOP128": false
  },
  "wrapped": {
    "NOP": true,
    "STATX": true,
    "NOP128": false
  },
  "advice": [
    {
      "name": "slow"
    }
  ]
}
guest: /doctor ended with 0
guest: done after 1.0 s, taint 0
END
}

# program NAME PASSED FAILED SKIPPED
program()
{
    echo "guest: /build/test_$1 begins"
    [ "$4" -eq 0 ] || echo "SKIP A1_one: no such thing: here"
    [ "$4" -lt 2 ] || echo "SKIP A1_two [emu]: no such thing: here"
    [ "$3" -eq 0 ] || echo "FAIL A1_three: this test: and why"
    echo "$2 passed, $3 failed, $4 skipped"
    echo "guest: /build/test_$1 ended with $(($3 > 0))"
}

# An old Linux, in two guests, of which the first one died and the second ran an
# area again; and a new one.
record()
{
    mkdir -p "$work/records"
    {
        echo 'guest: of commit 1111111'
        echo 'guest: Linux 5.10.0-32-amd64 #1 SMP Debian 5.10.223-1 (2024)'
        program base 1 2 1
        program loop 20 0 0
        echo 'guest: /build/test_io begins'
        echo 'SKIP C1_one: lost'
        echo 'guest: of commit 2222222'
        echo 'guest: Linux 5.10.0-32-amd64 #1 SMP Debian 5.10.223-1 (2024)'
        program base 3 0 2
        doctor emu "the \\\"old\\\" one" R_DISABLED true
    } > "$work/records/5.10"
    {
        echo 'guest: of commit 2222222'
        echo 'guest: Linux 6.1.9 #1'
        program base 5 0 0
        program loop 20 0 1
        program io 7 1 0
        doctor uring "io_uring works here" DEFER_TASKRUN false
    } > "$work/records/6.1"
}

# said LINE: the table has it.
said()
{
    grep -qxF "$1" "$work/table" || echo "no line '$1'"
}

areas_are_summed()
{
    "$root/tests/guest/table" "$work/records" 5.10 6.1 > "$work/table"
    said '| area | 5.10.223 | 6.1.9 |'
    said '| kernel of Debian | 5.10.0-32-amd64 | 6.1.9 |'
    said '| gyre runs on | the emulated kernel: the "old" one | the ring |'
    said '| gyre of commit | 2222222, 1111111 | 2222222 |'
    said '| base | 3 / 0 / 2 | 5 / 0 / 0 |'
    said '| loop | 20 / 0 / 0 | 20 / 0 / 1 |'
    said '| **all** | **23 / 1 / 3** | **32 / 1 / 1** |'
}

death_is_a_failure()
{
    said '| io | did not end | 7 / 1 / 0 |'
}

skips_are_grouped()
{
    said '| no such thing: here | 2 | 1 |'
    said '| lost | 1 | – |'
}

features_are_grouped()
{
    said '| `R_DISABLED` `NOP128` | – | – |'
    said '| `NOP` | emulated | used |'
    said '| `STATX` | emulated | emulated |'
    said '| `DEFER_TASKRUN` | – | used |'
}

unknown_kernel_is_refused()
{
    if "$root/tests/guest/table" "$work/records" 5.10 6.12 > "$work/table" \
        2> "$work/errors"; then
        echo "a kernel without a record was accepted"
    fi
    grep -q 'no guest has said anything in .*/6.12$' "$work/errors" ||
        echo "nobody says which record is missing"
}

# kernels, with a `run` that notes how it was called.
kernels()
{
    cat > "$work/run" << END
#!/bin/sh
echo "\$*" > "$work/called"
mkdir -p "$work/guests"
! echo "\$*" | grep -q -e '-k 6.1 ' ||
    cp "$work/records/6.1" "$work/guests/6.1"
exit 3
END
    chmod +x "$work/run"
    GYRE_RUN=$work/run GYRE_PAGE=$work/page \
        "$root/tests/guest/kernels" "$work" "5.10,6.1" "$@" \
        > "$work/out" 2> "$work/errors"
    code=$?
}

page()
{
    printf '%s\n' before '<!-- ./dev kernels -->' "$1" '<!-- end -->' \
        after '<!-- end -->' > "$work/page"
}

page_is_written()
{
    page old
    rm -rf "$work/guests"
    kernels 6.1
    [ "$code" -eq 3 ] || echo "ended with $code, and not as the guests did"
    grep -qx old "$work/page" || echo "written before all have been run"
    grep -q 'stays as it is' "$work/errors" || echo "nobody says so"

    cp "$work/records/5.10" "$work/guests/5.10"
    kernels 6.1
    ! grep -qx old "$work/page" || echo "not written when all have been run"
    grep -qx '| loop | 20 / 0 / 0 | 20 / 0 / 1 |' "$work/page" ||
        echo "no table in the page"
    printf '%s\n' before '<!-- ./dev kernels -->' '<!-- end -->' after \
        '<!-- end -->' > "$work/expected"
    grep -x -e before -e after -e '<!-- .*' "$work/page" |
        diff - "$work/expected"
    cp "$work/page" "$work/once"
    kernels 6.1
    diff "$work/once" "$work/page" # a second time changes nothing
}

filters_write_nothing()
{
    page old
    kernels 6.1 -- A1_ -v
    grep -q -e '-k 6.1 .*A1_ -v$' "$work/called" || echo "called otherwise"
    ! grep -q -e ' -o ' "$work/called" || echo "filtered tests are recorded"
    grep -qx old "$work/page" || echo "filtered tests are in the page"
}

bad_version_is_refused()
{
    kernels 6
    [ "$code" -eq 1 ] || echo "ended with $code"
    grep -q '6 is no version of Linux' "$work/errors" || echo "no sentence"
}

# The columns are those of the kernels that ./dev kernels runs.
page_has_each_kernel()
{
    kernels=$(sed -n 's/^every_kernel=//p' "$root/dev" | tr ',' '\n' | wc -l)
    columns=$(sed -n '/^<!-- .\/dev kernels -->$/,/^<!-- end -->$/p' \
        "$root/docs/KERNELS.md" | sed -n 's/^| area | \(.*\) |$/\1/p' |
        tr '|' '\n' | wc -l)
    [ "$kernels" -eq "$columns" ] ||
        echo "docs/KERNELS.md: $columns kernels and not $kernels"
}

record
check guests_areas_are_summed areas_are_summed
check guests_death_is_a_failure death_is_a_failure
check guests_skips_are_grouped skips_are_grouped
check guests_features_are_grouped features_are_grouped
check guests_unknown_kernel_is_refused unknown_kernel_is_refused
check guests_page_is_written_when_all_have_been_run page_is_written
check guests_filters_write_nothing filters_write_nothing
check guests_bad_version_is_refused bad_version_is_refused
check guests_page_has_each_kernel page_has_each_kernel
exit $status
