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

# A tree in which `./dev test` has little to do, and a cmake that builds nothing.
make_little_tree()
{
    little=$work/little
    mkdir -p "$little/tests/engine" "$little/tests/tidy" "$little/tests/scripts" \
        "$work/bin" && cp dev "$little/" && cp tests/report.sh "$little/tests/" &&
        cd "$little" || return 1
    printf '#!/bin/sh\nexit 1\n' > "$work/bin/apt-get"
    cat > "$work/bin/cmake" <<'END'
#!/bin/sh
echo "cmake $*"
[ "$1" = --preset ] || exit 0
mkdir -p "$4"
printf '#!/bin/sh\necho SKIP b: c\necho 2 passed, 0 failed, 1 skipped\n' \
    > "$4/test_good"
chmod +x "$4/test_good"
echo "$PWD/$4/test_good" > "$4/test-programs"
END
    printf '#!/bin/sh\necho 5 passed, 0 failed, 0 skipped\n' > tests/engine/suite
    echo 'echo ok one; echo ok two' > tests/scripts/script.sh
    echo 'echo ok three' > tests/tidy/look.sh
    chmod +x "$work/bin/apt-get" "$work/bin/cmake" tests/engine/suite
}

little_test()
{
    PATH=$work/bin:$PATH ./dev test > "$work/report" 2>&1
}

# Two programs, two runs with two engines, three lines of scripts.
test_counts_all_that_passed()
{
    little_test || { tail -n 1 "$work/report"; return 1; }
    tail -n 1 "$work/report" | grep -x '17 passed, 0 failed, 2 skipped' &&
        grep -q '^== asan: good: 2 passed' "$work/report" &&
        grep -q '^== release: good: 2 passed' "$work/report"
}

# fails TEXT: the little tree's test does, says so, and counts it.
fails()
{
    ! little_test && grep -q -e "$1" "$work/report" &&
        ! tail -n 1 "$work/report" | grep -q ' 0 failed'
}

# plant_program COMMAND...: the body of a second test program.
plant_program()
{
    sed -i '$d' "$work/bin/cmake"
    # shellcheck disable=SC2016 # for the little cmake to expand
    {
        printf 'printf "#!/bin/sh\\n%s\\n" > "$4/test_bad"\n' "$*"
        echo 'chmod +x "$4/test_bad"'
        echo 'echo "$PWD/$4/test_bad" > "$4/test-programs"'
    } >> "$work/bin/cmake"
}

test_tells_what_failed()
{
    echo 'echo not ok two: it is blue' > tests/scripts/script.sh
    fails '^FAIL two: it is blue' || { echo "a script's line"; return 1; }
    echo 'echo ok three; exit 3' > tests/tidy/look.sh
    fails '^FAIL tests/tidy/look.sh: ended with 3' ||
        { echo "a script that ends with 3"; return 1; }
    rm tests/scripts/script.sh tests/tidy/look.sh
    plant_program 'echo 1 passed, 1 failed, 0 skipped; exit 1'
    fails '^== asan: bad: 1 passed, 1 failed' ||
        { echo "a program's count"; return 1; }
    plant_program 'kill -9 \$\$'
    fails '^FAIL asan: bad: ended with 137 before it had counted' ||
        { echo "a program that dies"; return 1; }
}

test_tells_what_does_not_build()
{
    plant_program 'echo 1 passed, 0 failed, 0 skipped'
    little_test || { echo "nothing is wrong yet"; return 1; }
    echo 'echo "a.c:1:2: warning: unused"' >> "$work/bin/cmake"
    fails '^FAIL warnings' || { echo "a warning"; return 1; }
    echo 'exit 1' >> "$work/bin/cmake"
    fails '^FAIL build asan' || { echo "a build that fails"; return 1; }
}

check dev_help_names_each_command help_names_each_command
check dev_wrong_use_ends_with_2 wrong_use_ends_with_2
check dev_capabilities_has_a_line_for_each_row each_row_has_a_line
check dev_capabilities_counts_add_up counts_add_up
check dev_capabilities_ignores_comments comments_prove_nothing
make_little_tree || exit 1
check dev_test_counts_all_that_passed test_counts_all_that_passed
check dev_test_tells_what_failed test_tells_what_failed
check dev_test_tells_what_does_not_build test_tells_what_does_not_build

exit $status
