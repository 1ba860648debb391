#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the libraries show: every function that a public header declares, each
# listed in packaging/gyre.map, each named gyre_…, and nothing else; of libraries
# they need libc alone.
#
#     symbols.sh [BUILD]
. "$(dirname "$0")/lib.sh"

nm=${NM:-nm}
map=packaging/gyre.map
so=$build/libgyre.so
archive=$build/libgyre.a

exported()
{
    $nm -D --defined-only "$so" | awk '$2 ~ /[TDBRVW]/ { print $3 }' |
        sed 's/@.*//' | sort -u
}

global_in_archive()
{
    $nm -g --defined-only "$archive" 2> /dev/null |
        awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' | sort -u
}

mapped()
{
    sed -e 's,/\*.*\*/,,' "$1/$map" |
        sed -n 's/^ *\(gyre_[a-z0-9_]*\);.*/\1/p' | sort -u
}

# A declaration begins with GYRE_API in the first column.
declared()
{
    find "$1/include" -name '*.h' -exec awk '
        /^GYRE_API/ { text = ""; reading = 1 }
        reading {
            text = text " " $0
            if (match(text, /gyre_[a-z0-9_]*\(/)) {
                print substr(text, RSTART, RLENGTH - 1)
                reading = 0
            }
            if (/;/) reading = 0
        }' {} + | sort -u
}

# differ A B TEXT: what A has and B lacks.
differ()
{
    comm -23 "$1" "$2" | awk -v text="$3" '{ print $0, text }'
}

each_declared_is_mapped()
{
    declared "$1" > "$work/declared"
    mapped "$1" > "$work/mapped"
    [ -s "$work/declared" ] || echo "no public header declares anything"
    differ "$work/declared" "$work/mapped" \
        "is in a public header, but not in $map"
    differ "$work/mapped" "$work/declared" \
        "is in $map, but in no public header"
}

each_mapped_is_exported()
{
    mapped "$1" > "$work/mapped"
    exported > "$work/exported"
    differ "$work/mapped" "$work/exported" "is in $map, but not in libgyre.so"
    sed '/^GYRE_[0-9]*$/d' "$work/exported" > "$work/visible"
    differ "$work/visible" "$work/mapped" "is exported, but not in $map"
}

archive_shows_the_same()
{
    mapped "$1" > "$work/mapped"
    global_in_archive > "$work/global"
    differ "$work/global" "$work/mapped" "is global in libgyre.a"
    differ "$work/mapped" "$work/global" "is missing in libgyre.a"
}

# libc and the loader, under whatever name; threads are in libc since 2.34. A
# build that was told to, or found it, has libunwind as well (GYRE_UNWIND).
needs_libc_alone()
{
    optional=
    ! grep -q -e '-lunwind' "$build/gyre.pc" || optional='|libunwind|libgcc_s'
    readelf -d "$so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -vE "^(libc|ld-linux.*|libpthread$optional)\.so" |
        sed 's/^/libgyre.so needs /'
}

holds public_functions_are_those_of_the_map each_declared_is_mapped
plant
printf '\nGYRE_API int gyre_planted(int a,\n    int b);\n' >> \
    "$copy/include/gyre/op.h"
finds planted_function_without_a_symbol_version_is_found \
    each_declared_is_mapped 'gyre_planted is in a public header'

if [ -e "$so" ] && [ -e "$archive" ]; then
    holds shared_library_exports_the_map each_mapped_is_exported
    holds static_library_shows_the_same_names archive_shows_the_same
    holds Q9_library_needs_libc_alone needs_libc_alone
    plant
    sed 's/^ *local:/    gyre_planted;\n&/' "$root/$map" > "$copy/$map"
    finds planted_symbol_that_nothing_defines_is_found \
        each_mapped_is_exported 'gyre_planted is in'
else
    skip shared_library_exports_the_map "no libraries in $build"
fi

exit $status
