#!/bin/sh
# SPDX-License-Identifier: MIT
#
# README.md is the first thing that anybody tries, so what it says is tested:
# its program compiles as it is printed, as strict C11 and with every warning,
# links against the library as a user would, and echoes on each kernel; the
# Chinese README shows the same program; every link of every document leads
# somewhere; and the list of capabilities is whole.
#
#     readme.sh [BUILD]     BUILD: where libgyre.a lies (default: build)
#
# Prints `ok NAME` or `not ok NAME: why` for each; ends with 1 if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
cc=${CC:-cc}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

ok()
{
    echo "ok $1"
}

not_ok()
{
    echo "not ok $1: $2"
    failed=1
}

# The one block of C in a Markdown file.
program_of()
{
    awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$1"
}

# The program, unchanged but for what bind() and main() are called, so that it
# can be given a port that is free. The client sends in two pieces what comes
# back in any number of pieces, and is cut by alarm() if nothing does.
write_harness()
{
    cat <<'END'
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>
#include <netinet/in.h>

static int port_pipe[2];

static int bind_anywhere(int fd, const struct sockaddr *address,
                         socklen_t size)
{
    struct sockaddr_in6 at;
    memcpy(&at, address, sizeof at);
    at.sin6_port = 0;
    if (bind(fd, (struct sockaddr *)&at, size) != 0)
        return -1;
    return 0;
}

static int listen_and_tell(int fd, int backlog)
{
    struct sockaddr_in6 at;
    socklen_t size = sizeof at;
    if (listen(fd, backlog) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0 ||
        write(port_pipe[1], &at.sin6_port, 2) != 2)
        return -1;
    return 0;
}

#define bind bind_anywhere
#define listen listen_and_tell
#define main program_main
#include "program.c"
#undef bind
#undef listen
#undef main

static int echoes(int fd, const char *text, size_t size)
{
    char back[256];
    size_t got = 0;
    if (write(fd, text, size) != (ssize_t)size)
        return 0;
    while (got < size) {
        ssize_t n = read(fd, back + got, sizeof back - got);
        if (n <= 0)
            return 0;
        got += (size_t)n;
    }
    return got == size && memcmp(text, back, size) == 0;
}

int main(void)
{
    struct sockaddr_in6 at = { .sin6_family = AF_INET6,
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    char rest;
    int good;
    alarm(60);
    if (pipe(port_pipe) != 0)
        return 2;
    pid_t child = fork();
    if (child == 0)
        _exit(program_main());
    close(port_pipe[1]);
    if (child < 0 || read(port_pipe[0], &at.sin6_port, 2) != 2) {
        puts("the program did not listen");
        return 1;
    }
    int first = socket(AF_INET6, SOCK_STREAM, 0);
    int second = socket(AF_INET6, SOCK_STREAM, 0);
    good = connect(first, (struct sockaddr *)&at, sizeof at) == 0 &&
           connect(second, (struct sockaddr *)&at, sizeof at) == 0 &&
           echoes(second, "two at once", 11) && echoes(first, "hello", 5) &&
           echoes(first, "again", 5) && shutdown(first, SHUT_WR) == 0 &&
           read(first, &rest, 1) == 0 && echoes(second, "still", 5);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (!good)
        puts("it did not send back what it got");
    return !good;
}
END
}

# The README's own words for the compiler, less the .pc file's paths.
name=README_program_compiles_as_strict_C11
program_of "$root/README.md" > "$work/program.c"
if [ ! -s "$work/program.c" ]; then
    not_ok $name "README.md has no block of C"
elif "$cc" -std=c11 -pedantic -Wall -Wextra -Wconversion -Wshadow -Werror \
    -I"$root/include" "$work/program.c" -L"$build" -lgyre -pthread \
    -o "$work/program" 2> "$work/errors"; then
    ok $name
else
    not_ok $name "$(head -n 1 "$work/errors")"
fi

name=README_zh_CN_shows_the_same_program
program_of "$root/README.zh-CN.md" > "$work/chinese.c"
if cmp -s "$work/program.c" "$work/chinese.c"; then
    ok $name
else
    not_ok $name "the programs of README.md and README.zh-CN.md differ"
fi

write_harness > "$work/harness.c"
if ! "$cc" -D_GNU_SOURCE -I"$root/include" "$work/harness.c" \
    "$build/libgyre.a" -pthread -o "$work/harness" 2> "$work/errors"; then
    not_ok README_program_echoes "$(head -n 1 "$work/errors")"
else
    for kernel in '' emu; do
        name=README_program_echoes${kernel:+_on_$kernel}
        if [ -n "$kernel" ]; then
            said=$(GYRE_KERNEL=$kernel "$work/harness")
        else
            said=$("$work/harness")
        fi
        code=$?
        if [ $code -eq 0 ]; then
            ok "$name"
        else
            not_ok "$name" "${said:-ended with $code}"
        fi
    done
fi

# Links of the form [words](path): relative ones must lead to a file; those of
# docs/ must stay inside it, since it is served as a site of its own.
name=documents_have_no_dead_link
: > "$work/dead"
(cd "$root" && ls ./*.md docs/*.md docs/*/*.md) > "$work/documents"
while read -r document; do
    folder=$(dirname "$document")
    grep -o '\](\([^) ]*\))' "$root/$document" | sed 's/^](//; s/)$//' |
        while read -r link; do
            target=${link%%#*}
            case $link in
            http://* | https://* | '#'*) continue ;;
            esac
            [ -e "$root/$folder/$target" ] ||
                echo "$document: $link leads nowhere" >> "$work/dead"
            case $document in
            docs/*)
                place=$(cd "$root/$folder" && cd "$(dirname "$target")" \
                    2> /dev/null && pwd)/
                case $place in
                "$root"/docs/*) ;;
                *) echo "$document: $link leaves docs/" >> "$work/dead" ;;
                esac
                ;;
            esac
        done
done < "$work/documents"
if [ -s "$work/dead" ]; then
    not_ok $name "$(head -n 1 "$work/dead") ($(wc -l < "$work/dead") in all)"
else
    ok $name
fi

name=capabilities_are_282_rows_each_once
rows=$(grep -c '^| [A-X][0-9][0-9]* | ' "$root/docs/CAPABILITIES.md")
twice=$(sed -n 's/^| \([A-X][0-9]*\) | .*/\1/p' "$root/docs/CAPABILITIES.md" |
    sort | uniq -d | tr '\n' ' ')
if [ "$rows" -eq 282 ] && [ -z "$twice" ]; then
    ok $name
else
    not_ok $name "$rows rows${twice:+, twice: $twice}"
fi

exit $failed
