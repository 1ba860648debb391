#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The look of the source, as far as a program can tell: lengths of functions,
# files and lines, an SPDX line and an essay at the top of each file, no calls
# that are banned, no markers left behind, `#if` kept rare.
. "$(dirname "$0")/lib.sh"

sources()
{
    (cd "$1" && find include src compat tools examples bench fuzz tests \
        -name '*.[ch]' 2> /dev/null | sort)
}

# Of clang-formatted C: a function is from "{" to "}" in the first column.
functions_are_short()
{
    (cd "$1" && sources . | xargs awk '
        FNR == 1 { start = 0 }
        /^\{/ { start = FNR }
        /^\}/ && start {
            if (FNR - start + 1 > 70)
                print FILENAME ":" start ": a function of " \
                    FNR - start + 1 " lines; the limit is 70"
            start = 0
        }')
}

files_are_short()
{
    (cd "$1" && { sources .; find tests cmake -name '*.sh' -o -name '*.txt' \
        -path '*/CMakeLists.txt'; [ ! -e dev ] || echo dev; } 2> /dev/null |
        xargs wc -l | awk '
        $2 != "total" && $1 > 800 {
            print $2 ": " $1 " lines; the limit is 800"
        }')
}

lines_are_short()
{
    (cd "$1" && sources . | xargs awk '
        {
            line = $0
            # Bytes that continue a character of UTF-8 take no column.
            gsub(/[\200-\277]/, "", line)
            # The name of a test is a sentence, and cannot be broken.
            if (length(line) > 80 && line !~ /^[A-Z_]*TEST[A-Z0-9_]*\([A-Za-z0-9_]*[,)]/)
                print FILENAME ":" FNR ": " length(line) " columns"
        }
        /[ \t]$/ { print FILENAME ":" FNR ": white space at the end" }
        /\t/ { print FILENAME ":" FNR ": a tab" }')
}

files_open_with_an_essay()
{
    (cd "$1" && sources . | xargs awk '
        FNR == 1 && $0 != "/* SPDX-License-Identifier: MIT */" {
            print FILENAME ": the first line is not the SPDX line"
        }
        FNR == 2 && $0 !~ /^\/\*/ {
            print FILENAME ": no comment after the SPDX line says what it is for"
        }')
    (cd "$1" && find tests cmake \( -name '*.sh' -o -name '*.cmake' \) \
        -exec grep -L 'SPDX-License-Identifier: MIT' {} + |
        sed 's/$/: no SPDX line/')
}

# Without strings and comments, so that one may speak of them.
code_only()
{
    xargs awk '
        FNR == 1 { inside = 0 }
        {
            line = $0
            gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
            while (1) {
                if (inside) {
                    if (!match(line, /\*\//)) { line = ""; break }
                    line = substr(line, RSTART + 2)
                    inside = 0
                }
                if (!match(line, /\/\*/)) break
                head = substr(line, 1, RSTART - 1)
                tail = substr(line, RSTART + 2)
                if (match(tail, /\*\//)) {
                    line = head " " substr(tail, RSTART + 2)
                } else {
                    inside = 1
                    line = head
                    break
                }
            }
            print FILENAME ":" FNR ": " line
        }'
}

no_banned_calls()
{
    (cd "$1" && sources . | code_only | awk '
        BEGIN {
            split("strcpy strcat sprintf vsprintf gets strtok strncpy system " \
                  "alloca tmpnam mktemp usleep signal atoi rand", names, " ")
            better["strcpy"] = better["strncpy"] = "snprintf or memcpy"
            better["strcat"] = better["sprintf"] = better["vsprintf"] = \
                "snprintf"
            better["gets"] = "fgets"
            better["strtok"] = "strcspn"
            better["system"] = "posix_spawn"
            better["alloca"] = "an array of fixed size"
            better["tmpnam"] = better["mktemp"] = "mkstemp"
            better["usleep"] = "nanosleep"
            better["signal"] = "sigaction"
            better["atoi"] = "strtol"
            better["rand"] = "a generator with a seed"
        }
        /^(src|compat|include|tools|examples|bench)\// {
            for (i in names)
                if ($0 ~ "(^|[^A-Za-z0-9_.>])" names[i] "\\(")
                    print $1 " " names[i] "() is banned: use " better[names[i]]
        }
        # The heap is reached through base/alloc.h, so that tests can fail it.
        /^(src|compat)\// && !/^src\/base\/alloc\.c/ {
            if ($0 ~ /(^|[^A-Za-z0-9_.>])(malloc|calloc|realloc|free|strdup|aligned_alloc)\(/)
                print $1 " the heap without base/alloc.h"
        }')
}

no_markers_are_left()
{
    (cd "$1" && sources . | xargs grep -nE '\b(TODO|FIXME|XXX|HACK)\b')
}

# Kernel differences are found at run time; the preprocessor is for compilers,
# processors and tools.
conditionals_are_rare()
{
    (cd "$1" && find src -name '*.[ch]' -exec cat {} + | awk '
        /^#[ \t]*(if|ifdef|ifndef)/ && !/_H$/ { n++ }
        END {
            if (NR > 0 && n * 1000 > NR * 6)
                printf "%d conditionals in %d lines; the limit is 6 in 1000\n",
                    n, NR
        }')
}

holds functions_have_at_most_70_lines functions_are_short
holds files_have_at_most_800_lines files_are_short
holds lines_have_at_most_80_columns lines_are_short
holds files_open_with_licence_and_purpose files_open_with_an_essay
holds no_banned_call_is_used no_banned_calls
holds no_marker_is_left_behind no_markers_are_left
holds conditionals_are_rare_in_the_rooms conditionals_are_rare

plant
{
    echo 'void planted(void)'
    echo '{'
    awk 'BEGIN { for (i = 0; i < 69; i++) print "    ;" }'
    echo '}'
} >> "$copy/src/base/assert.c"
finds planted_long_function_is_found functions_are_short 'of 71 lines'
plant
awk 'BEGIN { for (i = 0; i < 800; i++) print ";" }' >> "$copy/src/base/assert.c"
finds planted_long_file_is_found files_are_short 'src/base/assert.c'
plant
echo 'static int a = 1; /* aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa */' \
    >> "$copy/src/base/assert.c"
finds planted_long_line_is_found lines_are_short 'src/base/assert.c'
plant
echo 'int planted;' > "$copy/src/base/planted.c"
finds planted_file_without_licence_is_found files_open_with_an_essay 'planted.c'
plant
printf '/* A comment about\n * strcpy(a, b). */\nvoid f(void) { sprintf(a, b); }\n' \
    >> "$copy/src/base/assert.c"
finds planted_banned_call_is_found no_banned_calls 'sprintf() is banned'
plant
echo 'void *f(void) { return malloc(1); }' >> "$copy/src/base/assert.c"
finds planted_use_of_the_heap_is_found no_banned_calls 'without base/alloc.h'
plant
echo "/* TO""DO: finish */" >> "$copy/src/base/assert.c"
finds planted_marker_is_found no_markers_are_left 'src/base/assert.c'

exit $status
