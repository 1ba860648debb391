#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Nothing above kernel/ makes a system call. What the objects of a room import is
# either defined by gyre, or in the list of what that room may use of libc
# (tests/tidy/imports.txt). ring/ and kernel/ are free; the tool is, too.
#
#     imports.sh [BUILD]
. "$(dirname "$0")/lib.sh"

nm=${NM:-nm}
list=$root/tests/tidy/imports.txt

# imports_of ROOM OBJECT...: what is not in the list, with the object.
imports_of()
{
    room=$1
    shift
    $nm -A -u "$@" | awk -v room="$room" -v list="$list" -v ours="$work/ours" '
        BEGIN {
            while ((getline line < list) > 0) {
                sub(/#.*/, "", line)
                count = split(line, words, " ")
                if (count == 0 || (words[1] != "*" && words[1] != room))
                    continue
                for (i = 2; i <= count; i++)
                    allowed[words[i]] = 1
            }
            while ((getline line < ours) > 0)
                allowed[line] = 1
        }
        {
            name = $NF
            sub(/@.*/, "", name)
            object = $1
            sub(/:.*/, "", object)
            sub(/.*\//, "", object)
            if (name in allowed || name ~ /^__(asan|ubsan|tsan|sanitizer)_/)
                next
            print room "/: " object " imports " name
        }'
}

objects_of()
{
    find "$build/src/$1" -name '*.o' 2> /dev/null | sort
}

# Above kernel/, and below ring/.
rooms='base loop mem watch task sync engine io'

# A stale object of a file that has since moved would be judged as well, so
# only those whose source is there count.
check_imports()
{
    tree=$1
    for room in $rooms; do
        objects=
        for object in $(objects_of "$room"); do
            source=$(basename "$object" .o)
            [ ! -e "$tree/src/$room/$source" ] || objects="$objects $object"
        done
        # shellcheck disable=SC2086 # a list of paths without spaces
        [ -z "$objects" ] || imports_of "$room" $objects
    done
}

if [ -z "$(objects_of base)" ]; then
    skip rooms_above_kernel_make_no_system_calls "no objects in $build"
    exit 0
fi

# shellcheck disable=SC2046 # paths without spaces
$nm --defined-only $(find "$build/src" -name '*.c.o') 2> /dev/null |
    awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' | sort -u > "$work/ours"

holds rooms_above_kernel_make_no_system_calls check_imports

# The check itself: an object with a system call in it is found.
name=planted_system_call_is_found
cat > "$work/planted.c" <<'END'
#include <unistd.h>
int planted(void);
int planted(void) { return close(0) + (int)write(1, "", 0); }
END
if ${CC:-cc} -c "$work/planted.c" -o "$work/planted.c.o" 2> "$work/errors"; then
    planted()
    {
        imports_of loop "$work/planted.c.o"
    }
    copy=$root
    finds $name planted 'imports close'
else
    skip $name "no compiler"
fi

exit $status
