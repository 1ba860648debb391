#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The project's own documentation, as gyre serve shows it: every page is reached
# from the first one, as a browser would, and every link on it answers 200.
#
#     demo.sh [BUILD]     BUILD: where gyre lies (default: build)
#
# Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why` for each; ends with 1
# if any failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 1
gyre=$build/gyre
work=$(mktemp -d) || exit 1
pid=
failed=0

finish()
{
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

skip_all()
{
    echo "skip W2_every_link_of_the_documentation_answers: $1"
    exit 0
}

[ -x "$gyre" ] || { echo "demo.sh: $gyre: build it first" >&2; exit 1; }
"$gyre" --help | grep -q ' serve ' || skip_all "built without llhttp"
command -v curl >/dev/null 2>&1 || skip_all "curl is not installed"

cd "$root" || exit 1
: >"$work/out"
"$gyre" serve docs --listen 127.0.0.1:0 --quiet >"$work/out" 2>"$work/err" &
pid=$!
until grep -q '^gyre: serving docs at' "$work/out"; do
    kill -0 "$pid" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
    sleep 0.1
done
url=$(sed -n 's/^gyre: serving docs at //p' "$work/out")

# The links of a page, one a line, without fragments; only those on this server.
links_of()
{
    grep -o '<a [^>]*href="[^"]*"' "$1" |
        sed 's/.*href="//;s/"$//;s/#.*//;s/&amp;/\&/g' |
        grep -v '^$' | grep -vE '^(mailto:|https?://)'
}

# Breadth first: $work/now are the paths to look at, $work/seen all so far.
echo / >"$work/now"
cp "$work/now" "$work/seen"
: >"$work/bad"
pages=0
while [ -s "$work/now" ]; do
    : >"$work/next"
    while read -r path; do
        code=$(curl -s -m 20 -H 'Accept: text/html,*/*' -o "$work/page" \
            -w '%{http_code} %{content_type}' "${url%/}$path")
        pages=$((pages + 1))
        case $code in
        "200 text/html"*) ;;
        200*) continue ;;
        *)
            echo "$path: $code (linked from $(grep -F " $path" \
                "$work/from" | head -n 1 | cut -d ' ' -f 1))" >>"$work/bad"
            continue
            ;;
        esac
        links_of "$work/page" | while read -r link; do
            # curl takes dots and slashes out as a browser does.
            case $link in
            /*) target=$link ;;
            \?*) target=$path$link ;;
            *) target=${path%/*}/$link ;;
            esac
            # "a/./b" is "a/b", "a/x/../b" is "a/b".
            target=$(printf '%s\n' "$target" |
                sed -e ':a' -e 's#/\./#/#;ta' \
                    -e ':b' -e 's#/[^/][^/]*/\.\./#/#;tb' -e 's#^/\.\./#/#;tb')
            echo "$path $target" >>"$work/from"
            grep -qxF -e "$target" "$work/seen" && continue
            echo "$target" >>"$work/seen"
            echo "$target" >>"$work/next"
        done
    done <"$work/now"
    mv "$work/next" "$work/now"
done

if [ -s "$work/bad" ]; then
    echo "not ok W2_every_link_of_the_documentation_answers:" \
        "$(wc -l <"$work/bad") of $pages do not"
    sed 's/^/    | /' "$work/bad"
    failed=1
else
    echo "ok W2_every_link_of_the_documentation_answers"
fi
if [ "$pages" -gt 5 ]; then
    echo "ok W2_the_documentation_has_pages"
else
    echo "not ok W2_the_documentation_has_pages: only $pages"
    failed=1
fi

kill -INT "$pid"
wait "$pid"
code=$?
pid=
if [ $code -eq 0 ]; then
    echo "ok W2_the_demo_ends_with_0"
else
    echo "not ok W2_the_demo_ends_with_0: $code"
    failed=1
fi
exit $failed
