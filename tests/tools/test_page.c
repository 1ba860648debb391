/* SPDX-License-Identifier: MIT */
/* Pages that the server makes: listings, Markdown. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "listing.h"
#include "markdown.h"
#include "mime.h"
#include "runner/test.h"

/* A listing looks at its files by openat2, which old tools do not know. */
static int root_fd(void)
{
    int fd;

    if (syscall(SYS_openat2, -1, "", NULL, 0) < 0 && errno == ENOSYS)
        TEST_SKIP("openat2 is unknown to this valgrind, or to this Linux");
    fd = open(test_directory(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void make_file(int root, const char *name)
{
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "# Title\n", 8), 8);
    close(fd);
}

/* The listing of a directory below the root, with a NUL. */
static const char *list(int root, const char *path)
{
    static char page[65536];
    struct listing listing = { .root = root, .path = path };

    listing.fd = openat(root, path[0] != '\0' ? path : ".",
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(listing.fd >= 0);
    text_init_growing(&listing.page, sizeof page - 1);
    CHECK_OK(listing_make(&listing));
    memcpy(page, listing.page.data, listing.page.used);
    page[listing.page.used] = '\0';
    text_free(&listing.page);
    return page;
}

TEST(W2_listings_show_what_is_served_and_nothing_else)
{
    int root = root_fd();

    make_file(root, "file");
    CHECK_EQ(mkdirat(root, "dir", 0755), 0);
    CHECK_EQ(symlinkat("file", root, "inside"), 0);
    CHECK_EQ(symlinkat("/etc/passwd", root, "outside"), 0);
    CHECK_EQ(symlinkat("../../etc", root, "climber"), 0);
    CHECK_EQ(symlinkat("nowhere", root, "dangling"), 0);
    CHECK_EQ(mkfifoat(root, "fifo", 0644), 0);
    make_file(root, ".hidden");

    const char *page = list(root, "");

    CHECK_STR_HAS(page, "<a href=\"./file\">file</a>");
    CHECK_STR_HAS(page, "<a href=\"./dir/\">dir/</a>");
    CHECK_STR_HAS(page, "<a href=\"./inside\">inside</a>");
    CHECK(strstr(page, "outside") == NULL);
    CHECK(strstr(page, "climber") == NULL);
    CHECK(strstr(page, "dangling") == NULL);
    CHECK(strstr(page, "fifo") == NULL);
    CHECK(strstr(page, "hidden") == NULL);
    CHECK(strstr(page, "./dir/") < strstr(page, "./file"));
    CHECK(strstr(page, "\"../\"") == NULL);
    CHECK_STR_HAS(list(root, "dir"), "<a href=\"../\">");
    close(root);
}

TEST(W2_names_in_listings_are_escaped)
{
    int root = root_fd();

    make_file(root, "<script>alert(1)");
    make_file(root, "a\nb\"c");
    make_file(root, "x:y?z");

    const char *page = list(root, "");

    CHECK(strstr(page, "<script>") == NULL);
    CHECK_STR_HAS(page, "&lt;script&gt;alert(1)");
    CHECK_STR_HAS(page, "href=\"./a%0Ab%22c\"");
    CHECK_STR_HAS(page, "a\xEF\xBF\xBD"
                        "b&quot;c");
    CHECK_STR_HAS(page, "href=\"./x%3Ay%3Fz\"");
    close(root);
}

static int failing_root;

static void list_once(void)
{
    struct listing listing = { .root = failing_root, .path = "" };

    listing.fd = openat(failing_root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(listing.fd >= 0);
    text_init_growing(&listing.page, 1 << 20);

    int error = listing_make(&listing);

    CHECK(error == 0 || error == -ENOMEM);
    text_free(&listing.page);
}

TEST(W2_listings_cope_with_no_memory)
{
    failing_root = root_fd();
    make_file(failing_root, "a");
    make_file(failing_root, "README.md");
    CHECK_GT(for_each_failure(list_once), 4);
    close(failing_root);
}

TEST(W2_types_are_found_by_ending)
{
    CHECK_STR_EQ(mime_type(span_string("a/b.HTML")),
                 "text/html; charset=utf-8");
    CHECK_STR_EQ(mime_type(span_string("x.tar.gz")), "application/gzip");
    CHECK_STR_EQ(mime_type(span_string("a.b/LICENSE")),
                 "text/plain; charset=utf-8");
    CHECK_STR_EQ(mime_type(span_string("x.unknown")),
                 "application/octet-stream");
    CHECK_STR_EQ(mime_type(span_string("x.")), "application/octet-stream");
    CHECK_STR_EQ(mime_type(span_string("")), "text/plain; charset=utf-8");
    CHECK(mime_is_markdown(span_string("docs/A.md")));
    CHECK(!mime_is_markdown(span_string("md")));
}

/* What becomes of a piece of Markdown, with a NUL. */
static const char *render(const char *source, char *title)
{
    static char html[65536];
    struct text text;

    if (!markdown_is_available())
        TEST_SKIP("built without libcmark");
    text_init(&text, html, sizeof html - 1);
    markdown_render(&text, span_string(source), title);
    CHECK(!text.failed);
    html[text.used] = '\0';
    return html;
}

TEST(W2_markdown_becomes_html)
{
    char title[MARKDOWN_TITLE_SIZE];
    const char *html = render("# A *Title*, 1st\n\nText with `code`.\n\n"
                              "## Sub\n\n- a\n- [b](c.md)\n",
                              title);

    CHECK_STR_EQ(title, "A Title, 1st");
    CHECK_STR_HAS(html, "<h1 id=\"a-title-1st\">A <em>Title</em>, 1st</h1>");
    CHECK_STR_HAS(html, "<p>Text with <code>code</code>.</p>");
    CHECK_STR_HAS(html, "<h2 id=\"sub\">");
    CHECK_STR_HAS(html, "<a href=\"c.md\">b</a>");
}

TEST(W2_markdown_is_harmless)
{
    char title[MARKDOWN_TITLE_SIZE];
    const char *html = render("# <script>x</script>\n\n<script>alert(1)"
                              "</script>\n\n[x](javascript:alert(1))\n\n"
                              "| <b onclick=x> |\n|---|\n| <i>y |\n",
                              title);

    CHECK(strstr(html, "<script>") == NULL);
    CHECK(strstr(html, "javascript:") == NULL);
    CHECK(strstr(html, "<b ") == NULL);
    CHECK(strstr(html, "<i>") == NULL);
}

TEST(W2_markdown_has_tables)
{
    char title[MARKDOWN_TITLE_SIZE];
    const char *html = render("before\n\n| a | b |\n|---|:-:|\n"
                              "| `x|y` | 1\\|2 |\n| *c* |\n\nafter\n",
                              title);

    CHECK_STR_HAS(html, "<tr><th>a</th><th>b</th></tr>");
    CHECK_STR_HAS(html, "<td><code>x|y</code></td><td>1|2</td>");
    CHECK_STR_HAS(html, "<td><em>c</em></td>");
    CHECK_STR_HAS(html, "<p>after</p>");
    html = render("| not | a table |\n\nx\n", title);
    CHECK(strstr(html, "<table") == NULL);
    html = render("```\n| a |\n|---|\n```\n", title);
    CHECK(strstr(html, "<table") == NULL);
}

/* Sources that are all punctuation find the ends of buffers. */
TEST(W2_random_markdown_does_no_harm)
{
    static const char ALPHABET[] = "|-:`\\ \n#*[]()<>a\r|-|\n";
    char title[MARKDOWN_TITLE_SIZE];
    uint32_t random = 3;

    for (unsigned round = 0; round < 20000 / test_scale(); round++) {
        char source[64];

        for (size_t i = 0; i < sizeof source - 1; i++) {
            random = random * 1664525 + 1013904223;
            source[i] = ALPHABET[(random >> 16) % (sizeof ALPHABET - 1)];
        }
        source[sizeof source - 1] = '\0';
        render(source, title);
    }
}
