/* SPDX-License-Identifier: MIT */
/* page.c - see page.h */
#include "page.h"

#include <string.h>

static const char STYLE[] =
    ":root{color-scheme:light dark;--fg:#1c2127;--bg:#fff;--dim:#667080;"
    "--line:#dde2e8;--soft:#f4f6f8;--link:#0b5cad}"
    "@media(prefers-color-scheme:dark){:root{--fg:#dde3ea;--bg:#14181d;"
    "--dim:#8e99a8;--line:#303842;--soft:#1d232a;--link:#7db7f0}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1.5rem 1.25rem 4rem;max-width:54rem;"
    "font:16px/1.6 system-ui,sans-serif;color:var(--fg);background:var(--bg)}"
    "a{color:var(--link);text-decoration:none}a:hover{text-decoration:"
    "underline}"
    "nav{font-size:.9rem;color:var(--dim);border-bottom:1px solid var(--line);"
    "padding-bottom:.6rem;margin-bottom:1.5rem}"
    "h1,h2,h3,h4{line-height:1.25;margin:1.8em 0 .6em}"
    "h1{font-size:1.9rem;margin-top:.5em}"
    "h2{font-size:1.4rem;border-bottom:1px solid var(--line);"
    "padding-bottom:.25em}h3{font-size:1.15rem}"
    "code,pre{font:.88em/1.5 ui-monospace,monospace;background:var(--soft);"
    "border-radius:4px}code{padding:.1em .3em}"
    "pre{padding:.9rem 1rem;overflow-x:auto;border:1px solid var(--line)}"
    "pre code{padding:0;background:none;font-size:1em}"
    "blockquote{margin:1em 0;padding:0 1em;border-left:3px solid var(--line);"
    "color:var(--dim)}"
    "div.table{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-size:.94rem}"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .7rem;"
    "border-bottom:1px solid var(--line)}"
    "th{color:var(--dim);font-weight:600}"
    "td.n,th.n{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}"
    "td.d{white-space:nowrap;color:var(--dim);"
    "font-variant-numeric:tabular-nums}"
    "img{max-width:100%}hr{border:0;border-top:1px solid var(--line)}"
    "footer{margin-top:3rem;font-size:.85rem;color:var(--dim)}";

/* "/ docs / decisions": each a link to its directory, but the last. */
static void put_crumbs(struct text *text, struct span path)
{
    size_t start = 0;

    text_puts(text, "<nav><a href=\"/\">root</a>");
    while (start < path.size) {
        const char *slash = memchr(path.data + start, '/', path.size - start);
        size_t end = slash != NULL ? (size_t)(slash - path.data) : path.size;
        struct span name = span_of(path.data + start, end - start);

        text_puts(text, " / ");
        if (end < path.size) {
            text_puts(text, "<a href=\"/");
            text_put_url(text, span_of(path.data, end));
            text_puts(text, "/\">");
            text_put_html(text, name);
            text_puts(text, "</a>");
        } else {
            text_put_html(text, name);
        }
        start = end + 1;
    }
    text_puts(text, "</nav>\n");
}

void page_begin(struct text *text, struct span title, struct span path)
{
    text_puts(text, "<!DOCTYPE html>\n<html>\n<head>\n"
                    "<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, "
                    "initial-scale=1\">\n"
                    /* Else a browser asks for /favicon.ico. */
                    "<link rel=\"icon\" href=\"data:,\">\n<title>");
    text_put_html(text, title);
    text_puts(text, "</title>\n<style>");
    text_puts(text, STYLE);
    text_puts(text, "</style>\n</head>\n<body>\n");
    if (path.data != NULL)
        put_crumbs(text, path);
}

void page_end(struct text *text)
{
    text_puts(text, "<footer>gyre serve</footer>\n</body>\n</html>\n");
}
