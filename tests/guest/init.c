/* SPDX-License-Identifier: MIT */
/*
 * init.c - process 1 of a guest: run the test programs, and end the machine
 *
 * `run` packs it with the programs into the file system that Linux boots from.
 * Static, and alone: no shell, no daemons, no modules. What the programs print
 * goes to the second serial port, apart from the kernel's own messages on the
 * first, and after each program a line of ours, from which `run` learns that it
 * ended, and how:
 *
 *     guest: Linux 6.1.0-50-cloud-amd64 #1 SMP Debian 6.1.170-1 (2026-05-01)
 *     guest: /path/of/test_loop begins
 *     guest: /path/of/test_loop ended with 0
 *     guest: done after 61.2 s, taint 0
 *
 * Where that last line is missing, the machine died or was stopped. The taint
 * is what the kernel has had to say about itself since we began: a warning, an
 * oops, a lock held for too long. Last of the programs, what `gyre doctor` says
 * of this Linux: /doctor, if there is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    ARGUMENTS_MAX = 64,
    LINE_MAX_ = 512,
    FILES_MAX = 1 << 19, /* what other systems permit; Linux starts with 4096 */
};

static int report = -1;
static char *arguments[ARGUMENTS_MAX + 2]; /* [0]: the program's own name */

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vdprintf(report, format, args);
    va_end(args);
}

/* Without which nothing can be learnt here: let the kernel's messages say it,
 * and then its panic, for process 1 has ended. */
static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void mount_at(const char *where, const char *type, const char *options)
{
    mkdir(where, 0755);
    if (mount(type, where, type, 0, options) < 0 && errno != EBUSY)
        die(where);
}

/* A port that changes no byte: no carriage returns, no echo. */
static int open_port(const char *path)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios port;

    if (fd < 0 || tcgetattr(fd, &port) < 0)
        die(path);
    cfmakeraw(&port);
    cfsetspeed(&port, B115200);
    if (tcsetattr(fd, TCSANOW, &port) < 0)
        die(path);
    return fd;
}

static void raise_loopback(void)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        die("lo");
    close(fd);
}

static unsigned long read_taint(void)
{
    FILE *file = fopen("/proc/sys/kernel/tainted", "re");
    unsigned long taint;

    if (file == NULL || fscanf(file, "%lu", &taint) != 1)
        die("tainted");
    fclose(file);
    return taint;
}

/* The next line without its end; NULL after the last one. */
static char *read_line(FILE *file, char line[LINE_MAX_])
{
    if (fgets(line, LINE_MAX_, file) == NULL)
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static FILE *open_list(const char *path)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        die(path);
    return file;
}

static void read_arguments(void)
{
    FILE *file = open_list("/arguments");
    char line[LINE_MAX_];
    size_t count = 0;

    while (count < ARGUMENTS_MAX && read_line(file, line) != NULL)
        arguments[++count] = strdup(line);
    fclose(file);
}

static _Noreturn void become(const char *program, char *const words[])
{
    setsid();
    dup2(report, STDOUT_FILENO);
    dup2(report, STDERR_FILENO);
    execv(program, words);
    perror(program);
    _exit(127);
}

/* Process 1 inherits every orphan: wait for all, remember the one. */
static int wait_for(pid_t pid)
{
    int status;
    pid_t ended;

    while ((ended = wait(&status)) != pid)
        if (ended < 0)
            die("wait");
    kill(-1, SIGKILL); /* what the program left behind; never process 1 */
    while (wait(NULL) > 0)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run_program(const char *program, char *const words[])
{
    pid_t pid;

    say("guest: %s begins\n", program);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        become(program, words);
    say("guest: %s ended with %d\n", program, wait_for(pid));
}

static void run_programs(void)
{
    FILE *file = open_list("/programs");
    char line[LINE_MAX_];

    while (read_line(file, line) != NULL) {
        arguments[0] = line;
        run_program(line, arguments);
    }
    fclose(file);
}

static void ask_the_doctor(void)
{
    static char name[] = "gyre", command[] = "doctor", option[] = "--json";

    if (access("/doctor", X_OK) == 0)
        run_program("/doctor", (char *[]){ name, command, option, NULL });
}

static void introduce(void)
{
    struct utsname name;

    uname(&name);
    say("guest: Linux %s %s\n", name.release, name.version);
}

int main(void)
{
    struct timespec now;
    unsigned long taint;
    const char *port;

    mount_at("/proc", "proc", NULL);
    mount_at("/sys", "sysfs", NULL);
    mount_at("/dev", "devtmpfs", NULL);
    mount_at("/dev/shm", "tmpfs", "mode=1777");
    mount_at("/dev/pts", "devpts", "ptmxmode=0666");
    port = getenv("REPORT"); /* of the kernel's command line */
    report = open_port(port != NULL ? port : "/dev/ttyS1");
    raise_loopback();
    sethostname("guest", 5);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1024, FILES_MAX });
    setenv("PATH", "/bin", 1);
    setenv("TMPDIR", "/tmp", 1);
    setenv("GYRE_TEST_SCALE", "10", 1); /* an emulated processor is slow */
    setenv("GYRE_TEST_MACHINE_IS_OURS", "1", 1); /* its clock may be set */

    taint = read_taint();
    introduce();
    read_arguments();
    run_programs();
    ask_the_doctor();
    clock_gettime(CLOCK_MONOTONIC, &now);
    say("guest: done after %ld.%ld s, taint %lu\n", (long)now.tv_sec,
        now.tv_nsec / 100000000, read_taint() & ~taint);
    tcdrain(report);
    reboot(RB_AUTOBOOT); /* QEMU was told to take that for the end */
    die("reboot");
}
