# SPDX-License-Identifier: MIT
#
# gyre.py - gdb sees tasks: live processes and core files
#
#     (gdb) source gyre.py           unless gdb has loaded it by itself
#     (gdb) info gyre-loops          the loops of the process
#     (gdb) info gyre-tasks [MAX]    number, name, state, reason, age, place
#     (gdb) gyre-bt N | all          the calls of a task that does not run
#     (gdb) gyre-task N              its control block
#     (gdb) gyre-enter N             stand in it: up, down, info locals ...
#     (gdb) gyre-leave               and come back
#
# Needs the debug information of the library (built with -g), in the library or
# beside it. Nothing is called in the process and nothing is written to it, so
# all of it works in a core file.
#
# How a task is found: from loop_all_first (src/loop/create.c) to the scopes of
# each loop, whose lists its tasks are on. How its calls are found: what the
# switch has saved (struct context, src/task/switch.h) is given to gdb's own
# unwinder as the caller of the innermost frame of the selected thread.
import os
import re

import gdb
import gdb.unwinder

SHOWN = 1000  # tasks, unless a number is given
PLACES = 100  # of these with the place in the program, which takes time

REGISTERS = {
    "i386:x86-64": {"pc": "rip", "sp": "rsp", "frame": "rbp", "base": "rbx"},
    "aarch64": {"pc": "pc", "sp": "sp", "frame": "x29", "base": "x19"},
}


class Unavailable(gdb.GdbError):
    """Something is not there to be seen."""


def lookup(name):
    try:
        return gdb.parse_and_eval(name)
    except gdb.error:
        raise Unavailable(
            "gyre: no '%s' here: no debug information of the library, or it "
            "is not loaded yet" % name
        )


def struct(name):
    # Types that a program repeats may lack the private half: ask where they
    # are whole.
    for text in ("struct " + name, name):
        try:
            return gdb.lookup_type(text)
        except gdb.error:
            pass
    raise Unavailable("gyre: no debug information for struct %s" % name)


def offset_of(type_, member):
    return type_[member].bitpos // 8


def at(address, type_):
    return gdb.Value(int(address)).cast(type_.pointer()).dereference()


def members(head, type_, link):
    """The structures on a circular list, whose head is at an address."""
    word = gdb.lookup_type("void").pointer()
    offset = offset_of(type_, link)
    try:
        next_ = int(at(head, word))
        while next_ not in (head, 0):
            yield at(next_ - offset, type_)
            next_ = int(at(next_, word))
    except gdb.MemoryError:
        pass  # not in this core; who counts them says so


def text_of(pointer, default="?"):
    try:
        return pointer.string(errors="replace") if int(pointer) else default
    except gdb.error:
        return default


def duration(ns):
    if ns < 0:
        return "0 s"
    if ns < 1000000000:
        return "%d ms" % (ns // 1000000)
    if ns < 60 * 1000000000:
        return "%.1f s" % (ns / 1e9)
    if ns < 3600 * 1000000000:
        return "%d min %d s" % (ns // 60000000000, ns // 1000000000 % 60)
    return "%d h %d min" % (ns // 3600000000000, ns // 60000000000 % 60)


# ---- loops and tasks ---------------------------------------------------------


class Loop:
    def __init__(self, value):
        self.value = value
        self.id = int(value["id"])
        # The clock of its last sleep: a core has no other.
        self.now_ns = int(value["now_ns"])
        self.kernel = text_of(value["kernel"]["class"]["name"])
        self.engine = "-"  # there are no others
        if int(value["tasks"]):
            tasks = at(value["tasks"], struct("tasks"))
            if int(tasks["placing"]):
                self.engine = "%d" % int(tasks["number"])

    def counter(self, name):
        return int(self.value[name])

    def tasks(self):
        """Each task, those spawned first coming first in its scope."""
        if int(self.value["tasks"]) == 0:
            return
        tasks = at(self.value["tasks"], struct("tasks"))
        found = 0
        ready = self.ready()
        scope_type = struct("gyre_scope")
        task_type = struct("gyre_task")
        scopes = [tasks["root"]]
        while scopes:
            scope = scopes.pop()
            for member in ("members_", "handles_"):
                head = int(scope[member].address)
                for task in members(head, task_type, "member"):
                    found += 1
                    yield Task(self, task, ready)
            for branch in self.branches(scope):
                found += 1
                task = branch["task"].dereference()
                # On its way; else it is its engine's to show.
                if int(task["tasks"]) == int(self.value["tasks"]):
                    yield Task(self, task, ready)
            head = int(scope["scopes_"].address)
            scopes.extend(
                reversed(list(members(head, scope_type, "link_")))
            )

        alive = int(tasks["alive"]) + int(tasks["guests"])
        if found < alive:
            print(
                "gyre: %d tasks of loop %d cannot be read. (A core of gdb's "
                "own, by gcore, lacks\nwhat lies beside guard pages: let "
                "Linux write it, by ulimit -c and SIGABRT.)"
                % (alive - found, self.id)
            )

    @staticmethod
    def branches(scope):
        """The scope's tasks on other engines."""
        head = int(scope["branches_"].address)
        return members(head, struct("branch"), "link")

    def ready(self):
        addresses = set()
        work = self.value["ready_first"]
        while int(work):
            addresses.add(int(work))
            work = work["next_"]
        return addresses


def loops():
    loop = lookup("loop_all_first")
    found = []
    while int(loop):
        found.append(Loop(loop.dereference()))
        loop = loop["all_next"]
    return sorted(found, key=lambda loop: loop.id)


def threads():
    """Which thread has the address that a loop knows its owner by."""
    selected = gdb.selected_thread()
    if selected is None:
        return {}
    frame = gdb.selected_frame()
    found = {}
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        try:
            address = int(gdb.parse_and_eval("&loop_thread_name"))
        except gdb.error:
            continue  # without libthread_db
        name = thread.name
        found[address] = "%d%s" % (thread.num, " (%s)" % name if name else "")
    selected.switch()
    frame.select()
    return found


class Task:
    def __init__(self, loop, value, ready):
        self.loop = loop
        self.value = value
        self.address = int(value.address)
        self.name = text_of(value["name"])
        self.reason = text_of(value["wait_reason"])
        work = self.address + offset_of(value.type, "work")
        if value["finished"]:
            self.state = "finished"
        elif value["waiting"]:
            self.state = "waiting"
        elif work in ready:
            self.state = "ready"
        elif int(value["branch"]) and int(value["branch"]["home"]) == int(
            value["tasks"]
        ):
            self.state = "not begun"
        else:
            self.state = "running"

    def age(self):
        return duration(self.loop.now_ns - int(self.value["since_ns"]))

    def why(self):
        if self.state == "finished":
            return "%d" % int(self.value["result"])
        if self.state != "waiting":
            return "after " + self.reason if self.state == "ready" else ""
        return self.waits()

    def waits(self):
        on = int(self.value["waits_on"])
        if self.reason == "op":
            return self.op(at(on, struct("gyre_op")))
        if self.reason == "sleep":
            deadline = int(at(on, struct("gyre_timer"))["deadline_ns_"])
            if deadline == 2**64 - 1:
                return "sleep, for ever"
            return "sleep, %s left" % duration(deadline - self.loop.now_ns)
        if self.reason == "join":
            other = at(on, struct("gyre_task"))
            return "join of '%s'" % text_of(other["name"])
        if self.reason == "children":
            scope = at(on, struct("gyre_scope"))
            return "%d children" % int(scope["children_"])
        return "%s 0x%x" % (self.reason, on) if on else self.reason

    @staticmethod
    def op(op):
        sqe = op.address.cast(struct("io_uring_sqe").pointer()).dereference()
        info = lookup("op_table")[int(sqe["opcode"])]
        name = text_of(info["name"])
        fd, slot = int(sqe["fd"]), int(sqe["file_index"])
        if not info["has_fd"]:
            return name
        if name == "CLOSE" and slot != 0:
            return "CLOSE on slot %d" % (slot - 1)
        kind = "slot" if int(sqe["flags"]) & 1 else "fd"
        return "%s on %s %d" % (name, kind, fd)

    def registers(self):
        """What the switch has saved, by gdb's names."""
        context = self.value["context"]
        names = REGISTERS.get(architecture())
        if self.state in ("running", "finished"):
            raise Unavailable(
                "gyre: task '%s' is %s: there is nothing saved of it"
                % (self.name, self.state)
            )
        if names is None or not any(
            field.name == "pc" for field in context.type.fields()
        ):
            raise Unavailable(
                "gyre: this build switches by swapcontext(), whose saved "
                "registers are not looked into"
            )
        saved = {names[key]: int(context[key]) for key in names}
        # gdb looks one byte before the address, as for a return; the byte
        # before this one belongs to the jump to another stack.
        saved[names["pc"]] += 1 if names["pc"] == "rip" else 4
        return saved


def all_tasks():
    number = 0
    for loop in loops():
        for task in loop.tasks():
            number += 1
            yield number, task


def find_task(text):
    try:
        wanted = int(gdb.parse_and_eval(text))
    except (gdb.error, ValueError):
        raise Unavailable("gyre: '%s' is no number of a task" % text)
    for number, task in all_tasks():
        if wanted in (number, task.address):
            return number, task
    raise Unavailable("gyre: there is no task %s (info gyre-tasks)" % text)


# ---- frames ------------------------------------------------------------------


def architecture():
    return gdb.newest_frame().architecture().name()


class FrameId:
    def __init__(self, sp, pc):
        self.sp = gdb.Value(sp)
        self.pc = gdb.Value(pc)


class TaskUnwinder(gdb.unwinder.Unwinder):
    """While a task is entered: it called the thread's innermost frame."""

    def __init__(self):
        super().__init__("gyre-task")
        self.saved = None
        self.names = None
        self.origin = None

    def enter(self, task):
        self.leave()
        frame = gdb.newest_frame()
        while frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        self.names = REGISTERS.get(architecture())
        saved = task.registers()
        self.origin = (
            int(frame.read_register(self.names["sp"])),
            int(frame.read_register(self.names["pc"])),
        )
        self.saved = saved
        gdb.invalidate_cached_frames()

    def leave(self):
        if self.saved is not None:
            self.saved = None
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.saved is None:
            return None
        sp = int(pending.read_register(self.names["sp"]))
        pc = int(pending.read_register(self.names["pc"]))
        if (sp, pc) != self.origin:
            return None
        # A caller has to lie above its callee: so this one is given a place
        # just below the task's, wherever the thread's stack may be.
        below = self.saved[self.names["sp"]] - 256
        info = pending.create_unwind_info(FrameId(below, pc))
        for name, value in self.saved.items():
            info.add_saved_register(name, gdb.Value(value))
        return info


unwinder = TaskUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


def on_resume(event):
    # Frames of a task make no sense once the process goes on.
    unwinder.saved = None


gdb.events.cont.connect(on_resume)


# Inlined into the function that waits, with arguments that are gone.
SWITCH = re.compile(r"\bcontext_(jump|switch|enter) \(")


def frames_of_thread():
    """How many of the frames are the thread's: one, and what is inlined."""
    count = 1
    frame = gdb.newest_frame()
    while frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
        count += 1
    return count


def select(level):
    gdb.execute("frame %d" % level, to_string=True)


def backtrace(task):
    """As `bt` prints it, numbered from the task's innermost frame."""
    selected = gdb.selected_frame().level() if hasattr(
        gdb.Frame, "level"
    ) else 0
    unwinder.enter(task)
    try:
        skip = frames_of_thread()
        text = gdb.execute("bt", to_string=True)
    finally:
        unwinder.leave()
        select(selected)
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            number, rest = line[1:].split(None, 1)
            if not lines and SWITCH.search(rest):
                skip += 1
            if int(number) < skip:
                continue
            line = "#%-3d%s" % (int(number) - skip, rest)
        elif not lines:
            continue
        lines.append(line)
    return "\n".join(lines)


def place_of(task):
    """The innermost call that is not gyre's own, as far as lines are known."""
    home = os.path.dirname(
        os.path.dirname(
            gdb.lookup_symbol("loop_all_first")[0].symtab.fullname()
        )
    )
    unwinder.enter(task)
    try:
        frame = gdb.newest_frame()
        for _ in range(frames_of_thread()):
            frame = frame.older()
        while frame is not None and frame.is_valid():
            sal = frame.find_sal()
            own = sal.symtab is not None and sal.symtab.fullname().startswith(
                home + os.sep
            )
            # The entry has no lines: all calls were gyre's.
            if frame.name() in ("context_entry", "context_begin"):
                break
            if not own:
                where = frame.name() or "0x%x" % frame.pc()
                if sal.symtab is not None:
                    where += " at %s:%d" % (
                        os.path.basename(sal.symtab.filename),
                        sal.line,
                    )
                return where
            frame = frame.older()
    except gdb.error:
        pass
    finally:
        unwinder.leave()
    return ""


def symbol_at(address):
    text = gdb.execute("info symbol 0x%x" % address, to_string=True)
    return text.split(" in section")[0].strip()


# ---- commands ----------------------------------------------------------------


class InfoLoops(gdb.Command):
    """The loops of the process: info gyre-loops"""

    def __init__(self):
        super().__init__("info gyre-loops", gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        print(
            "Id    Engine  Kernel  Tasks     Ready  Queued  In flight  Timers  "
            "Address         Thread"
        )
        owners = threads()
        for loop in loops():
            tasks = loop.value["tasks"]
            alive = (
                int(at(tasks, struct("tasks"))["alive"]) if int(tasks) else 0
            )
            print(
                "%-5d %-7s %-7s %-9d %-6d %-7d %-10d %-7d 0x%x  %s"
                % (
                    loop.id,
                    loop.engine,
                    loop.kernel,
                    alive,
                    loop.counter("ready"),
                    loop.counter("queued"),
                    loop.counter("in_flight"),
                    loop.counter("timers"),
                    int(loop.value.address),
                    owners.get(int(loop.value["owner"]), "-"),
                )
            )


class InfoTasks(gdb.Command):
    """The tasks of the process: info gyre-tasks [MAX]
Their numbers hold until the process goes on. Ages are as of the last turn of
the loop."""

    def __init__(self):
        super().__init__("info gyre-tasks", gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        limit = int(arg) if arg else SHOWN
        print(
            "Num   Loop  Engine  Name              State     Age         "
            "Waits for"
        )
        for number, task in all_tasks():
            if number > limit:
                print("... and more: info gyre-tasks MAX")
                break
            print(
                "%-5d %-5d %-7s %-17s %-9s %-11s %s"
                % (
                    number,
                    task.loop.id,
                    task.loop.engine,
                    task.name,
                    task.state,
                    task.age(),
                    self.details(number, task),
                )
            )

    @staticmethod
    def details(number, task):
        text = task.why()
        if number <= PLACES and task.state in ("waiting", "ready"):
            try:
                place = place_of(task)
            except Unavailable:
                place = ""
            if place:
                text += ("; in " if text else "in ") + place
        return text


class TaskBacktrace(gdb.Command):
    """The calls of a task that does not run: gyre-bt N, or gyre-bt all
N is its number in `info gyre-tasks`, or its address."""

    def __init__(self):
        super().__init__("gyre-bt", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        if not arg:
            raise gdb.GdbError("gyre-bt: a number of a task, or `all`")
        if arg != "all":
            print(backtrace(find_task(arg)[1]))
            return
        for number, task in all_tasks():
            print(
                "\nTask %d '%s' (%s %s):"
                % (number, task.name, task.state, task.why())
            )
            try:
                print(backtrace(task))
            except Unavailable as why:
                print(why)


class TaskBlock(gdb.Command):
    """The control block of a task: gyre-task N"""

    def __init__(self):
        super().__init__("gyre-task", gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        number, task = find_task(arg)
        site = int(task.value["site"])
        parent = "the loop"
        home = task.value["home"]
        if int(home) and int(home["owner_"]):
            parent = "'%s'" % text_of(home["owner_"]["name"])
        print("task %d '%s', %s, spawned at %s by %s" % (
            number, task.name, task.state, symbol_at(site), parent))
        print(task.value.format_string(max_depth=3))


class TaskEnter(gdb.Command):
    """Stand in a task that does not run: gyre-enter N
up, down, frame, info locals and print work in its frames, until gyre-leave or
until the process goes on. Frame 0 remains the thread's."""

    def __init__(self):
        super().__init__("gyre-enter", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        unwinder.enter(find_task(arg)[1])
        gdb.execute("frame %d" % frames_of_thread())


class TaskLeave(gdb.Command):
    """Stand in the thread again: gyre-leave"""

    def __init__(self):
        super().__init__("gyre-leave", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        unwinder.leave()
        gdb.execute("frame 0")


for command in (
    InfoLoops, InfoTasks, TaskBacktrace, TaskBlock, TaskEnter, TaskLeave
):
    command()
