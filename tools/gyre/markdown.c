/* SPDX-License-Identifier: MIT */
/*
 * markdown.c - see markdown.h
 *
 * cmark makes a tree, of which the top level is walked here. A heading is
 * rendered by cmark and given its id; a paragraph that is a pipe table (its
 * source lines are looked at, since to CommonMark it is but text) is put
 * together cell by cell; everything else is cmark's.
 */
#include "markdown.h"

#ifndef GYRE_HAVE_CMARK

#include "base/assert.h"

bool markdown_is_available(void)
{
    return false;
}

void markdown_render(struct text *text, struct span source,
                     char title[MARKDOWN_TITLE_SIZE])
{
    (void)text, (void)source, (void)title;
    ASSERT(false); /* markdown_is_available() says so */
}

#else

#include <cmark.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS (CMARK_OPT_DEFAULT | CMARK_OPT_SAFE | CMARK_OPT_VALIDATE_UTF8)

bool markdown_is_available(void)
{
    return true;
}

static void put_node(struct text *text, cmark_node *node)
{
    char *html = cmark_render_html(node, OPTIONS);

    text_puts(text, html);
    free(html);
}

/* ---- headings ----------------------------------------------------------- */

/* The plain text of a node. */
static void collect_text(struct text *text, cmark_node *node)
{
    cmark_iter *walk = cmark_iter_new(node);
    cmark_event_type event;

    while ((event = cmark_iter_next(walk)) != CMARK_EVENT_DONE) {
        cmark_node *at = cmark_iter_get_node(walk);
        cmark_node_type type = cmark_node_get_type(at);

        if (event != CMARK_EVENT_ENTER)
            continue;
        if (type == CMARK_NODE_TEXT || type == CMARK_NODE_CODE)
            text_puts(text, cmark_node_get_literal(at));
        else if (type == CMARK_NODE_SOFTBREAK)
            text_puts(text, " ");
    }
    cmark_iter_free(walk);
}

/* Letters, digits, '-' and '_' stay, in lower case, blanks become '-'; so do
 * all bytes of other alphabets stay. */
static void put_slug(struct text *text, struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.data[i];

        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + ('a' - 'A'));
        if (c == ' ')
            c = '-';
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
            c == '_' || c >= 0x80)
            text_put(text, &c, 1);
    }
}

static void put_heading(struct text *text, cmark_node *node,
                        char title[MARKDOWN_TITLE_SIZE])
{
    char name[MARKDOWN_TITLE_SIZE];
    struct text plain;
    char *html = cmark_render_html(node, OPTIONS);

    text_init(&plain, name, sizeof name - 1);
    collect_text(&plain, node);
    if (title[0] == '\0') {
        memcpy(title, name, plain.used);
        title[plain.used] = '\0';
    }
    /* "<h2>..." */
    text_put(text, html, 3);
    text_puts(text, " id=\"");
    put_slug(text, span_of(name, plain.used));
    text_puts(text, "\"");
    text_puts(text, html + 3);
    free(html);
}

/* ---- tables ------------------------------------------------------------- */

/* The next line of *rest, without its end, cut off the front. */
static struct span take_line(struct span *rest)
{
    const char *end = rest->size > 0 ? memchr(rest->data, '\n', rest->size)
                                     : NULL;
    size_t size = end != NULL ? (size_t)(end - rest->data) : rest->size;
    struct span line = span_of(rest->data, size);

    size += end != NULL;
    rest->data += size;
    rest->size -= size;
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return span_trim(line);
}

/* The next cell of a row that began with '|', cut off the front. A bar after a
 * backslash, or inside backquotes, belongs to the cell. */
static bool take_cell(struct span *row, struct span *cell)
{
    bool is_code = false;
    size_t end = 0;

    if (row->size == 0)
        return false;
    for (; end < row->size; end++) {
        if (row->data[end] == '`')
            is_code = !is_code;
        else if (row->data[end] == '\\' && end + 1 < row->size)
            end++;
        else if (row->data[end] == '|' && !is_code)
            break;
    }
    if (end > row->size)
        end = row->size;
    *cell = span_trim(span_of(row->data, end));
    end += end < row->size;
    row->data += end;
    row->size -= end;
    return true;
}

/* "|---|:-:|": the line below a table's head. */
static bool is_rule(struct span row)
{
    bool has_dash = false;

    if (!span_starts_with(row, "|"))
        return false;
    for (size_t i = 0; i < row.size; i++) {
        if (strchr("|:- ", row.data[i]) == NULL || row.data[i] == '\0')
            return false;
        has_dash = has_dash || row.data[i] == '-';
    }
    return has_dash;
}

/* A cell's content: the insides of the one paragraph it is. */
static void put_cell(struct text *text, struct span cell)
{
    if (cell.size == 0)
        return;

    cmark_node *document = cmark_parse_document(cell.data, cell.size, OPTIONS);
    cmark_node *only = cmark_node_first_child(document);

    if (only != NULL && cmark_node_next(only) == NULL &&
        cmark_node_get_type(only) == CMARK_NODE_PARAGRAPH) {
        char *html = cmark_render_html(only, OPTIONS);
        size_t size = strlen(html);

        /* "<p>...</p>\n" */
        text_put(text, html + 3, size - 8);
        free(html);
    } else {
        text_put_html(text, cell);
    }
    cmark_node_free(document);
}

static void put_row(struct text *text, struct span row, const char *tag)
{
    struct span cell;

    row.data++; /* the first bar */
    row.size--;
    text_puts(text, "<tr>");
    while (take_cell(&row, &cell)) {
        text_printf(text, "<%s>", tag);
        put_cell(text, cell);
        text_printf(text, "</%s>", tag);
    }
    text_puts(text, "</tr>\n");
}

/* Put a table; false if these lines are none. */
static bool put_table(struct text *text, struct span lines)
{
    struct span head = take_line(&lines);

    if (!span_starts_with(head, "|") || !is_rule(take_line(&lines)))
        return false;
    text_puts(text, "<div class=\"table\"><table>\n<thead>");
    put_row(text, head, "th");
    text_puts(text, "</thead>\n<tbody>\n");
    while (lines.size > 0) {
        struct span row = take_line(&lines);

        if (!span_starts_with(row, "|"))
            break;
        put_row(text, row, "td");
    }
    text_puts(text, "</tbody>\n</table></div>\n");
    return true;
}

/* ---- the document ------------------------------------------------------- */

/* Lines are asked for in rising order: *rest starts at line *at, from 1. */
static struct span source_lines(struct span *rest, int *at, int first, int last)
{
    while (*at < first && rest->size > 0) {
        take_line(rest);
        ++*at;
    }

    struct span lines = span_of(rest->data, 0);

    while (*at <= last && rest->size > 0) {
        take_line(rest);
        ++*at;
    }
    lines.size = (size_t)(rest->data - lines.data);
    return lines;
}

void markdown_render(struct text *text, struct span source,
                     char title[MARKDOWN_TITLE_SIZE])
{
    cmark_node *document =
        cmark_parse_document(source.data, source.size, OPTIONS);
    struct span rest = source;
    int at = 1;

    title[0] = '\0';
    for (cmark_node *node = cmark_node_first_child(document); node != NULL;
         node = cmark_node_next(node)) {
        cmark_node_type type = cmark_node_get_type(node);
        struct span lines = source_lines(&rest, &at,
                                         cmark_node_get_start_line(node),
                                         cmark_node_get_end_line(node));

        if (type == CMARK_NODE_HEADING)
            put_heading(text, node, title);
        else if (type != CMARK_NODE_PARAGRAPH || !put_table(text, lines))
            put_node(text, node);
    }
    cmark_node_free(document);
}

#endif
