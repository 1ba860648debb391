# SPDX-License-Identifier: MIT
#
# report.sh - a part of ./dev: runs test programs and scripts, and sums them up
#
# A program's last line has its counts; a script prints "ok NAME", "not ok NAME:
# why", "skip NAME: why". What they print is kept below build/ and told when its
# turn comes: most of them wait most of the time, and go beside other things.
# shellcheck shell=sh disable=SC2154

# --- programs ---------------------------------------------------------------

# Add a report's last line, "N passed, N failed, N skipped", to the sums.
add_counts()
{
    counts=$(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$1")
    [ -n "$counts" ] || return 1
    passed=$((passed + ${counts%% *}))
    skipped=$((skipped + ${counts##* }))
    counts=${counts#* }
    failed=$((failed + ${counts%% *}))
}

# start_program REPORT COMMAND...: one of our test programs.
start_program()
{
    report=$1
    shift
    rm -f "$report" "$report.code"
    began=$(date +%s)
    code=0
    "$@" ${kernel:+--kernel=$kernel} ${filter:+"$filter"} > "$report" 2>&1 ||
        code=$?
    echo "$code $(($(date +%s) - began))" > "$report.code"
}

# tell_program LABEL REPORT
tell_program()
{
    if [ ! -s "$2.code" ]; then
        fail "$1: it did not come to its end"
        return
    fi
    read -r code seconds < "$2.code"
    sed '$d' "$2"
    if ! add_counts "$2"; then
        tail -n 1 "$2"
        fail "$1: ended with $code before it had counted"
    fi
    say "== $1: $(tail -n 1 "$2") ($seconds s)"
}

# run_program LABEL COMMAND...
run_program()
{
    program_label=$1
    shift
    start_program build/report "$@"
    tell_program "$program_label" build/report
}

# each_program LABEL DIRECTORY COMMAND...: COMMAND for each program of a build,
# which is $program, of $area; if `areas` is set, for those of the areas it lists.
areas=
each_program()
{
    label=$1
    directory=$2
    shift 2
    if [ ! -s "$directory/test-programs" ]; then
        fail "$label: no test programs in $directory"
        return
    fi
    while read -r program; do
        area=${program##*/test_}
        case " ${areas:-$area} " in
        *" $area "*) "$@" < /dev/null ;;
        esac
    done < "$directory/test-programs"
}

run_next() { run_program "$label: $area" "$@" "$program"; }
start_next() { start_program "build/programs/$area" "$program"; }
tell_next() { tell_program "$label: $area" "build/programs/$area"; }

# run_programs LABEL DIRECTORY [PREFIX...]: each is told as soon as it has run.
run_programs()
{
    label=$1
    directory=$2
    shift 2
    each_program "$label" "$directory" run_next "$@"
}

# start_programs LABEL DIRECTORY, in a subshell; then tell_programs.
start_programs()
{
    rm -rf build/programs
    mkdir -p build/programs
    each_program "$1" "$2" start_next
}

tell_programs()
{
    each_program "$1" "$2" tell_next
}

# --- scripts ----------------------------------------------------------------

# start_script SCRIPT DIRECTORY
start_script()
{
    out=build/scripts/$(basename "$1" .sh)
    rm -f "$out.code"
    mkdir -p build/scripts
    [ -z "$filter" ] || grep -q -e "$filter" "$1" || return 0
    began=$(date +%s)
    code=0
    GYRE_SOURCE=$root GYRE_BUILD=$root/$2 sh "$1" "$root/$2" \
        > "$out.report" 2> "$out.errors" < /dev/null || code=$?
    echo "$code $(($(date +%s) - began))" > "$out.code"
}

# tell_script SCRIPT: count what it reported.
tell_script()
{
    out=build/scripts/$(basename "$1" .sh)
    [ -s "$out.code" ] || return 0
    read -r code seconds < "$out.code"
    counted=$(awk -v filter="$filter" '
        index($0, filter) == 0 { next }
        /^ok / { ok++ }
        /^not ok / { bad++; sub(/^not ok/, "FAIL"); print > "/dev/stderr" }
        /^skip / { skip++; sub(/^skip/, "SKIP"); print > "/dev/stderr" }
        END { printf "%d %d %d\n", ok, bad, skip }' "$out.report" \
        2> "$out.complaints")
    cat "$out.complaints"
    bad=${counted#* }
    bad=${bad%% *}
    if [ "$bad" -gt 0 ] || [ "$code" -ne 0 ]; then
        tail -n 20 "$out.errors" | sed 's/^/    | /'
    fi
    if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then
        fail "$1: ended with $code"
    elif [ "$counted" = "0 0 0" ] && [ -z "$filter" ]; then
        fail "$1: reported nothing"
    fi
    passed=$((passed + ${counted%% *}))
    failed=$((failed + bad))
    skipped=$((skipped + ${counted##* }))
    say "== $1: ${counted%% *} passed, $bad failed, ${counted##* } skipped" \
        "($seconds s)"
}

run_script()
{
    start_script "$1" "$2"
    tell_script "$1"
}

is_script()
{
    case $1 in
    */lib.sh | *'*'*) return 1 ;;
    esac
}

# start_scripts DIRECTORY SCRIPT...
start_scripts()
{
    directory=$1
    shift
    for script in "$@"; do
        ! is_script "$script" || start_script "$script" "$directory"
    done
}

tell_scripts()
{
    for script in "$@"; do
        ! is_script "$script" || tell_script "$script"
    done
}
