/* SPDX-License-Identifier: MIT */
/*
 * commands.h - the commands of the program gyre
 *
 * Each is a main function of its own: argv[0] is the command's name. It returns
 * an exit code: EXIT_OK, EXIT_FAILED with one line on standard error that names
 * the thing and the remedy, or EXIT_USAGE for wrong arguments.
 */
#ifndef GYRE_TOOL_COMMANDS_H
#define GYRE_TOOL_COMMANDS_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int bench_main(int argc, char **argv); /* in bench/ */
int doctor_main(int argc, char **argv);
int serve_main(int argc, char **argv);
int trace_main(int argc, char **argv);

#endif
