#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Public headers: each compiles alone, as strict C11 and as C++17, with every
# warning; and together with liburing's and Linux's own header, whatever their
# age, in either order.
. "$(dirname "$0")/lib.sh"

cc=${CC:-cc}
cxx=${CXX:-c++}
warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror'

headers()
{
    (cd "$1/include" && find gyre -name '*.h' | sort)
}

# compiles LANGUAGE-AND-FLAGS < source; prints the first error.
compiles()
{
    # shellcheck disable=SC2086 # lists of flags
    "$@" $warnings -I"$tree/include" -fsyntax-only - 2> "$work/errors" ||
        grep -m1 -E 'error' "$work/errors" || cat "$work/errors"
}

alone()
{
    tree=$1
    for header in $(headers "$tree"); do
        printf '#include <%s>\nint unused_;\n' "$header" |
            compiles "$cc" -x c -std=c11 -Wstrict-prototypes
    done
}

alone_in_cplusplus()
{
    tree=$1
    for header in $(headers "$tree"); do
        printf '#include <%s>\nint unused_;\n' "$header" |
            compiles "$cxx" -x c++ -std=c++17
    done
}

# together HEADER: ours before it, ours after it.
together()
{
    tree=$root
    printf '#include <gyre/gyre.h>\n#include <%s>\n' "$1" |
        compiles "$cc" -x c -std=gnu11 -Wno-pedantic -Wno-conversion
    printf '#include <%s>\n#include <gyre/gyre.h>\n' "$1" |
        compiles "$cc" -x c -std=gnu11 -Wno-pedantic -Wno-conversion
}

with_linux()
{
    together linux/io_uring.h
}

with_liburing()
{
    together liburing.h
}

has()
{
    printf '#include <%s>\n' "$1" | "$cc" -E -x c - > "$work/out" 2>&1
}

if ! command -v "$cc" > "$work/out"; then
    skip public_headers_compile_alone_as_C11 "no compiler"
    exit 0
fi
holds public_headers_compile_alone_as_C11 alone

plant
echo 'int twice(void) { int a = 1L << 40; return a; }' >> \
    "$copy/include/gyre/op.h"
finds planted_warning_in_a_header_is_found alone 'op.h'

if command -v "$cxx" > "$work/out"; then
    holds public_headers_compile_alone_as_Cplusplus alone_in_cplusplus
    plant
    echo 'static int *planted_(void *p) { return p; }' >> \
        "$copy/include/gyre/op.h"
    finds planted_C_in_a_header_is_found alone_in_cplusplus 'op.h'
else
    skip public_headers_compile_alone_as_Cplusplus "no C++ compiler"
fi

for header in linux/io_uring.h liburing.h; do
    case $header in
    linux*) name=public_headers_live_with_linux_io_uring_h check=with_linux ;;
    *) name=public_headers_live_with_liburing_h check=with_liburing ;;
    esac
    if has $header; then
        holds $name $check
    else
        skip $name "no <$header> here"
    fi
done

exit $status
