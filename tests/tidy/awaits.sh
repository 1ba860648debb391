#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The public calls that are marked GYRE_WAITS are those that can wait, no more
# and no fewer. Who can is read off the machine code: the rooms that wait are
# compiled without inlining, and whoever can get to the switch to another task
# (task_leave()) or to a thread's sleep (thread_wait()) by calls and jumps waits.
# Calls by pointer are not seen; those are calls of the user's functions.
#
#     awaits.sh [BUILD]
. "$(dirname "$0")/lib.sh"

cc=${CC:-cc}
objdump=${OBJDUMP:-objdump}
nm=${NM:-nm}

# Runs a loop of its own, on which its first task never has to wait for room; or
# is for a thread that has none.
exempt='gyre_run\|gyre_engines_create\|gyre_engines_destroy\|gyre_engines_wait\|gyre_scope_open_on'

# compile TREE: into $work/rooms.so. A tree in which something was planted differs
# in a file or two: of all others the real tree's objects, which came first, do.
compile()
{
    objects=
    for room in mem watch task sync engine io; do
        mkdir -p "$work/real/$room" "$work/planted/$room"
        for source in "$1/src/$room"/*.c; do
            case $source in
            *'*'* | */switch_ucontext.c) continue ;;
            esac
            object=$room/$(basename "$source" .c).o
            if [ "$1" = "$root" ]; then
                object=$work/real/$object
            elif cmp -s "$source" "$root/src/$room/${source##*/}"; then
                objects="$objects $work/real/$object"
                continue
            else
                object=$work/planted/$object
            fi
            $cc -std=gnu11 -D_GNU_SOURCE -I"$1/include" -I"$1/src" -O0 \
                -fno-inline -fPIC -fvisibility=hidden -w -c -o "$object" \
                "$source" || return
            objects="$objects $object"
        done
    done
    # shellcheck disable=SC2086 # a list of paths without spaces
    $cc -shared -o "$work/rooms.so" $objects
}

# waiting TREE: the names of the functions that can get there.
waiting()
{
    compile "$1" 2> "$work/errors" || {
        head -n 1 "$work/errors"
        return
    }
    # Functions are told apart by their addresses, since static ones may share a
    # name; one that lies elsewhere (…@plt) is known by its name alone.
    $objdump -d --no-show-raw-insn "$work/rooms.so" | awk '
        function add(from, to) {
            if (!((from, to) in seen)) {
                seen[from, to] = 1
                callers[to] = callers[to] " " from
            }
        }
        /^[0-9a-f]+ <.*>:$/ {
            at = $1
            sub(/^0+/, "", at)
            name[at] = $2
            gsub(/[<>:]|@plt/, "", name[at])
            by_name[name[at]] = by_name[name[at]] " " at
            next
        }
        $2 ~ /^(call|j|b|cb|tb)/ && match($0, /[0-9a-f]+ <[^+>]*>/) {
            split(substr($0, RSTART, RLENGTH), word, " ")
            add(at, word[1])
        }
        END {
            # From a stub to what it stands for.
            for (stub in by_name) {
                count = split(by_name[stub], place, " ")
                for (i = 2; i <= count && stub ~ /^gyre_/; i++) {
                    add(place[1], place[i])
                    add(place[i], place[1])
                }
            }
            open = by_name["task_leave"] by_name["thread_wait"]
            while (open != "") {
                count = split(open, place, " ")
                open = ""
                for (i = 1; i <= count; i++) {
                    if (reached[place[i]]++ == 0)
                        open = open callers[place[i]]
                }
            }
            for (at in reached)
                print name[at]
        }'
}

calls()
{
    awk -f "$root/tests/awaits/calls.awk" "$1"/include/gyre/*.h
}

# Only what is there: a call that is declared and not yet defined waits nowhere.
check_marks()
{
    waiting "$1" | grep '^gyre_' | grep -vx "$exempt" | sort -u > "$work/waits"
    calls "$1" | sort > "$work/marked"
    [ -s "$work/waits" ] || echo "no call was found to wait: $(cat "$work/errors")"
    comm -23 "$work/waits" "$work/marked" |
        sed 's/$/ can wait: mark it GYRE_WAITS where it is declared/'
    $nm --defined-only "$work/rooms.so" | awk '{ print $3 }' | sort -u \
        > "$work/defined"
    comm -13 "$work/waits" "$work/marked" | comm -12 - "$work/defined" |
        sed 's/$/ is marked GYRE_WAITS, but waits nowhere/'
}

if ! command -v "$cc" > "$work/out" || ! command -v "$objdump" > "$work/out"
then
    skip R8_calls_that_wait_are_marked "no compiler or no objdump"
    exit 0
fi

holds R8_calls_that_wait_are_marked check_marks

plant
cat >> "$copy/src/io/file.c" <<'END'
int gyre_planted(void);
static int planted_below(void) { return gyre_sleep(1); }
GYRE_API int gyre_planted(void) { return planted_below(); }
END
finds R8_planted_call_that_waits_unmarked_is_found check_marks \
    'gyre_planted can wait'

plant
sed 's/^\(GYRE_API bool gyre_timer_is_armed(.*\);/\1 GYRE_WAITS;/' \
    "$root/include/gyre/timer.h" > "$copy/include/gyre/timer.h"
echo 'bool gyre_timer_is_armed(const gyre_timer *t) { return t != NULL; }' \
    >> "$copy/src/io/file.c"
finds R8_planted_mark_on_a_call_that_never_waits_is_found check_marks \
    'gyre_timer_is_armed is marked'

exit $status
