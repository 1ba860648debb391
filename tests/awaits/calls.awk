# SPDX-License-Identifier: MIT
#
# calls.awk - the public calls that can wait, as the headers mark them
#
#     awk [-v form='WAITS(%s)'] -f calls.awk include/gyre/*.h
#
# A line for each declaration that bears GYRE_WAITS, in the form that is asked
# for; without one the name alone.
BEGIN {
    if (form == "")
        form = "%s"
}
/^GYRE_API/ {
    text = ""
    reading = 1
}
reading {
    text = text " " $0
    if (/;/) {
        reading = 0
        if (text ~ /[ )]GYRE_WAITS[ ;]/ && match(text, /gyre_[a-z0-9_]*\(/))
            printf form "\n", substr(text, RSTART, RLENGTH - 1)
    }
}
