#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The rooms of src/: a file includes from its own room and from those below it,
# by the form "room/file.h", and never from above. Public headers include only
# each other and the system's. What is in compat/ rests on kernel/ and what is
# below that. Linux's three io_uring calls occur in src/ring/ alone.
. "$(dirname "$0")/lib.sh"

includes_point_down()
{
    (cd "$1" && find src compat include tools -name '*.[chS]' | sort |
        xargs awk '
        BEGIN {
            count = split("base ring kernel loop mem watch task sync engine io",
                          rooms, " ")
            for (i = 1; i <= count; i++)
                rank[rooms[i]] = i
        }
        FNR == 1 {
            split(FILENAME, path, "/")
            room = path[1] == "src" ? path[2] : path[1]
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            name = $0
            sub(/^[^"]*"/, "", name)
            sub(/".*/, "", name)
            split(name, part, "/")
            where = FILENAME ":" FNR ": "
            if (room == "include")
                print where "a public header includes \"" name "\""
            else if (path[1] == "compat") {
                if (part[2] != "" &&
                    !(part[1] in rank && rank[part[1]] <= rank["kernel"]))
                    print where "compat/ includes \"" name \
                        "\", which is not below it"
            } else if (path[1] != "src")
                next
            else if (!(part[1] in rank))
                print where "\"" name "\" does not begin with a room"
            else if (rank[part[1]] > rank[room])
                print where room "/ includes \"" name "\", which is above it"
        }')
}

# What each public header declares belongs to a room, too.
public_includes_point_down()
{
    (cd "$1" && find src -name '*.[chS]' | sort | xargs awk '
        BEGIN {
            split("base ring kernel loop mem watch task sync engine io", rooms, " ")
            for (i in rooms)
                rank[rooms[i]] = i + 0
            home["dump"] = home["trace"] = "watch"
            home["op"] = home["loop"] = home["timer"] = home["write_queue"] = "loop"
            home["task"] = home["scope"] = "task"
            home["sync"] = home["channel"] = home["select"] = "sync"
            home["file"] = home["socket"] = home["acceptor"] = home["poll"] = "io"
            home["blocking"] = home["detached"] = "io"
            home["blocking_pool"] = home["message"] = "loop"
            home["futex"] = "io"
            home["process"] = "io"
            home["epoll"] = "io"
        }
        FNR == 1 { split(FILENAME, path, "/"); room = path[2] }
        /^[ \t]*#[ \t]*include[ \t]*<gyre\// {
            name = $0
            sub(/^[^<]*<gyre\//, "", name)
            sub(/\.h>.*/, "", name)
            if (name ~ /^op_/)
                home[name] = "loop"
            if (name in home && rank[home[name]] > rank[room] + 0 &&
                !(name == "op" && rank[room] >= rank["kernel"]))
                print FILENAME ":" FNR ": " room "/ includes <gyre/" name \
                    ".h>, of " home[name] "/, which is above it"
        }')
}

system_calls_of_the_ring_are_in_ring()
{
    (cd "$1" && grep -rnE \
        '(__NR|SYS)_io_uring|\b(425|426|427)\b' src compat include tools |
        grep -v '^src/ring/')
}

holds includes_point_down_the_rooms includes_point_down
holds public_includes_point_down_the_rooms public_includes_point_down
holds ring_system_calls_occur_in_ring_only system_calls_of_the_ring_are_in_ring

plant
echo '#include "loop/loop.h"' >> "$copy/src/base/assert.c"
finds planted_upward_include_is_found includes_point_down \
    'base/ includes "loop/loop.h"'

plant
echo '#include "assert.h"' >> "$copy/src/loop/turn.c"
finds planted_include_without_a_room_is_found includes_point_down \
    'does not begin with a room'

plant
echo '#include "loop/loop.h"' >> "$copy/compat/liburing/queue.c"
finds planted_include_of_compat_is_found includes_point_down \
    'compat/ includes "loop/loop.h"'

plant
echo '#include <gyre/task.h>' >> "$copy/src/loop/turn.c"
finds planted_upward_public_include_is_found public_includes_point_down \
    'loop/ includes <gyre/task.h>'

plant
echo 'long n = __NR_io_uring_enter;' >> "$copy/src/loop/turn.c"
finds planted_ring_system_call_is_found system_calls_of_the_ring_are_in_ring \
    'src/loop/turn.c'

exit $status
