# Outlast's driver for Python: the host runs invocations in this interpreter, one after the other.
#
# What the user's scripts define lives in `__main__`; the driver has a namespace of its own. The
# standard streams of an invocation are the descriptors 0, 1 and 2, so that what it starts inherits
# them; threads that outlive it get copies. Between invocations all three are /dev/null.

import __future__
import ast
import atexit
import codeop
import collections
import io
import linecache
import os
import signal
import subprocess
import sys
import threading
import traceback
import types


def own(module):
    """The module as it is now, whatever a script makes of it."""
    return types.SimpleNamespace(**vars(module))


os, signal, subprocess, threading = map(own, (os, signal, subprocess, threading))

STATUS = os.path.join(DIRECTORY, "status")
CONTROL = os.path.join(DIRECTORY, "control")
# SIGSTKFLT, which has no name here, and a signal that nobody uses.
KILLED, RECALLED = 16, signal.SIGPWR
# Texts of scripts that tracebacks may still want to show.
TEXTS = 64


class Killed(BaseException):
    """The host's last resort."""


class Recalled(BaseException):
    """The host has work while the prompt is shown."""


class HungUp(SystemExit):
    """The host is gone, or ends the session."""


class Stream:
    """A standard stream: that of the invocation in which the calling thread was started."""

    def __init__(self, name):
        object.__setattr__(self, "_name", name)

    def _its(self):
        own = getattr(threading.current_thread(), "_outlast_streams", None)
        return (own or driver.streams)[self._name]

    def __getattr__(self, name):
        return getattr(self._its(), name)

    def __setattr__(self, name, value):
        setattr(self._its(), name, value)

    def __iter__(self):
        return iter(self._its())

    def __next__(self):
        return next(self._its())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __repr__(self):
        return repr(self._its())


def text_layer(descriptor, number, closes=False):
    """The text layer over a descriptor, as the interpreter makes it."""
    raw = io.FileIO(descriptor, "r" if number == 0 else "w", closefd=closes)
    if number == 0:
        return io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8", errors="surrogateescape")
    errors = "backslashreplace" if number == 2 else "surrogateescape"
    lines = number == 2 or raw.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors=errors, line_buffering=lines
    )


def literal(text):
    """The host's words. The function for it in `ast` compiles with what a script may replace."""
    return eval(text, {"__builtins__": {}})


class Driver:
    def __init__(self):
        self.pid = os.getpid()
        self.control = None
        self.latest = 0
        self.running = None
        self.reading = False
        self.visit = None
        self.asked = 0
        self.status = 0
        self.lines = []
        self.half = ""
        self.is_known = False
        self.lent = []
        # What the user does about a ^C, and the trace function: both are for scripts alone.
        self.on_interrupt = signal.default_int_handler
        self.trace = None
        self.texts = collections.deque()
        self.compiler = codeop.CommandCompiler()
        self.streams = {}
        self.main = sys.modules["__main__"].__dict__

    # What is said to the host, and what it says.

    def tell(self, line):
        status = os.open(STATUS, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.write(status, line.encode() + b"\n")
        finally:
            os.close(status)

    def hear(self):
        """The next order. Held open: children do not inherit it."""
        if self.control is None:
            self.control = os.open(CONTROL, os.O_RDONLY | os.O_CLOEXEC)
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self.control, 1)
            if not byte:
                raise HungUp(129)
            line += byte
        return line[:-1].decode("ascii", "replace")

    def order(self):
        """The next order that is new: its number and its flags."""
        while True:
            word, colon, flags = self.hear().partition(":")
            if not colon or not word.startswith("%") or not word[1:].isdigit():
                continue
            number = int(word[1:])
            if number > self.latest:
                return number, flags
            if number == self.visit and flags == "v%d" % self.asked:
                return number, flags

    # The standard streams.

    def attach(self, stdin, stdout, stderr):
        for stream in self.streams.values():
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        for number, (path, mode) in enumerate(
            ((stdin, os.O_RDONLY), (stdout, os.O_WRONLY), (stderr, os.O_WRONLY))
        ):
            opened = os.open(path, mode | os.O_NOCTTY)
            os.dup2(opened, number, inheritable=True)
            if opened > 2:
                os.close(opened)
        self.streams = {
            name: text_layer(number, number)
            for number, name in enumerate(("stdin", "stdout", "stderr"))
        }
        for name in self.streams:
            setattr(sys, name, Stream(name))
            setattr(sys, "__%s__" % name, getattr(sys, name))

    def detach(self):
        """Threads that go on keep the streams of their invocation."""
        own = [
            thread
            for thread in threading.enumerate()
            if getattr(thread, "_outlast_invocation", None) == self.running
            and thread is not threading.main_thread()
        ]
        for name in ("stdout", "stderr"):
            try:
                getattr(sys, name).flush()
            except (OSError, ValueError, AttributeError):
                pass
        if own:
            kept = {
                name: text_layer(os.dup(number), number, closes=True)
                for number, name in enumerate(("stdin", "stdout", "stderr"))
            }
            for stream in ("stdout", "stderr"):
                kept[stream].reconfigure(line_buffering=True)
            for thread in own:
                thread._outlast_streams = kept
        self.attach(os.devnull, os.devnull, os.devnull)

    # Running.

    def remember(self, name, text):
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        self.texts.append(name)
        if len(self.texts) > TEXTS:
            linecache.cache.pop(self.texts.popleft(), None)

    def run_text(self, text, name, echo):
        """Runs a script in `__main__`. With `echo`, expressions show their value."""
        self.remember(name, text.decode("utf-8", "replace"))
        flags = self.compiler.compiler.flags & ~getattr(codeop, "PyCF_DONT_IMPLY_DEDENT", 0x200)
        flags &= ~getattr(codeop, "PyCF_ALLOW_INCOMPLETE_INPUT", 0x4000)
        tree = compile(text, name, "exec", ast.PyCF_ONLY_AST | flags, True)
        self.take_features(tree)
        if not echo:
            self.execute(compile(tree, name, "exec", flags, True))
            return
        # Statements between two expressions are one piece.
        piece = []
        for statement in tree.body:
            if isinstance(statement, ast.Expr):
                self.run_piece(piece, name, flags)
                piece = []
                code = compile(ast.Interactive([statement]), name, "single", flags, True)
                self.execute(code)
            else:
                piece.append(statement)
        self.run_piece(piece, name, flags)

    def run_piece(self, piece, name, flags):
        if piece:
            tree = ast.Module(piece, [])
            self.execute(compile(tree, name, "exec", flags, True))

    def execute(self, code):
        if self.trace is not None:
            sys.settrace(self.trace)
        try:
            exec(code, self.main)
        finally:
            self.trace = sys.gettrace()
            if self.trace is not None:
                sys.settrace(None)

    def take_features(self, tree):
        """`from __future__ import …` holds for later scripts too, as at the prompt."""
        for statement in tree.body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                for alias in statement.names:
                    feature = getattr(__future__, alias.name, None)
                    if feature is not None:
                        self.compiler.compiler.flags |= feature.compiler_flag

    def run_words(self, words):
        """Runs a program. ^C is for it alone."""
        was = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return self.run_program(words)
        finally:
            signal.signal(signal.SIGINT, was)

    def run_program(self, words):
        try:
            child = subprocess.Popen(words)
        except OSError as error:
            name = os.fsdecode(words[0])
            print("python3: %s: %s" % (name, error.strerror), file=sys.stderr)
            return 127 if isinstance(error, FileNotFoundError) else 126
        status = child.wait()
        return 128 - status if status < 0 else status

    def run(self, path, job):
        if job["argv"]:
            return self.run_words(job["argv"])
        with open(path, "rb") as script:
            text = script.read()
        if job["file"] is None:
            sys.argv = [""]
            self.run_text(text, "<invocation %d>" % self.running, True)
            return 0
        name = os.fsdecode(job["file"])
        sys.argv = [name] + [os.fsdecode(it) for it in job["args"]]
        self.main["__file__"] = name
        try:
            self.run_text(text, name, False)
        finally:
            self.main.pop("__file__", None)
        return 0

    def guarded(self, work, *arguments):
        """The status of what is run, and whether it wanted to leave."""
        try:
            try:
                signal.signal(signal.SIGINT, self.on_interrupt)
                return work(*arguments), False
            finally:
                was = signal.signal(signal.SIGINT, signal.SIG_IGN)
                self.on_interrupt = was or signal.default_int_handler
        except HungUp:
            raise
        except SystemExit as exit:
            return self.status_of(exit), True
        except Killed:
            return 137, True
        except BaseException as error:
            self.show(error)
            return (130 if isinstance(error, KeyboardInterrupt) else 1), False

    def status_of(self, exit):
        if exit.code is None:
            return 0
        if isinstance(exit.code, int):
            return exit.code & 255
        print(exit.code, file=sys.stderr)
        return 1

    def show(self, error):
        """The traceback without the driver's part of it."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_globals is globals():
            trace = trace.tb_next
        error.__traceback__ = trace
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
        try:
            if sys.excepthook is not sys.__excepthook__:
                sys.excepthook(type(error), error, trace)
                return
        except BaseException:
            pass
        try:
            # The interpreter's own reads lines from files only, and a script is in none.
            traceback.print_exception(type(error), error, trace)
        except Exception:
            sys.__excepthook__(type(error), error, trace)

    def lend(self, environment):
        for name, value in environment:
            self.lent.append((name, os.environb.get(name)))
            os.environb[name] = value

    def give_back(self):
        while self.lent:
            name, value = self.lent.pop()
            if value is None:
                os.environb.pop(name, None)
            else:
                os.environb[name] = value

    def invoke(self, number, flags):
        path = os.path.join(DIRECTORY, str(number))
        with open(path + ".args", "rb") as file:
            job = literal(file.read())
        if "T" in flags:
            self.attach("/dev/tty", "/dev/tty", "/dev/tty")
        else:
            stdin = path + ".in" if "i" in flags else os.devnull
            self.attach(stdin, path + ".out", path + ".err")
        self.lend(job["environment"])
        self.tell("running %d" % number)
        status, _ = self.guarded(self.run, path + ".py", job)
        if os.getpid() != self.pid:
            # A copy of the interpreter that the script made and forgot.
            self.end_copy(status)
        self.detach()
        self.give_back()
        self.running = None
        self.tell("completed %d %d" % (number, status))

    def end_copy(self, status):
        atexit._run_exitfuncs()
        self.flush()
        os._exit(status)

    def flush(self):
        for name in ("stdout", "stderr"):
            try:
                getattr(sys, name).flush()
            except (OSError, ValueError, AttributeError):
                pass

    # Visits.

    def get_to_know(self):
        """What an interactive interpreter does before its first prompt."""
        if self.is_known:
            return
        self.is_known = True
        # Completion and the history.
        hook = getattr(sys, "__interactivehook__", None)
        if hook is not None:
            self.guarded(hook)
        startup = os.environ.get("PYTHONSTARTUP")
        if startup and os.path.exists(startup):
            self.guarded(self.run_startup, startup)

    def run_startup(self, path):
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec", 0, True), self.main)

    def read_line(self, prompt):
        readline = sys.modules.get("readline")
        if readline is not None and self.half:
            half, self.half = self.half, ""

            def bring_back():
                readline.insert_text(half)
                readline.set_startup_hook(None)

            readline.set_startup_hook(bring_back)
        self.reading = True
        try:
            return input(prompt)
        finally:
            self.reading = False

    def on_recall(self, *_):
        if self.reading:
            self.reading = False
            readline = sys.modules.get("readline")
            if readline is not None:
                self.half = readline.get_line_buffer()
            raise Recalled

    def read_statement(self):
        """Code that is complete, None when the visit ends, or Recalled."""
        while True:
            prompt = getattr(sys, "ps2", "... ") if self.lines else getattr(sys, "ps1", ">>> ")
            try:
                line = self.read_line(str(prompt))
            except EOFError:
                print(file=sys.stdout, flush=True)
                if not self.lines:
                    return None
                self.lines = []
                continue
            except KeyboardInterrupt:
                print("\nKeyboardInterrupt", file=sys.stderr, flush=True)
                self.lines = []
                continue
            self.lines.append(line)
            text = "\n".join(self.lines)
            try:
                code = self.compiler(text, "<stdin>", "single")
            except (SyntaxError, OverflowError, ValueError) as error:
                self.lines = []
                traceback.print_exception(type(error), error, None)
                continue
            if code is not None:
                self.lines = []
                return code

    def serve(self, number, flags):
        """One prompt of a visit, and what is typed at it."""
        self.attach("/dev/tty", "/dev/tty", "/dev/tty")
        if self.visit != number:
            self.visit = number
            args = os.path.join(DIRECTORY, "%d.args" % number)
            if "a" in flags:
                with open(args, "rb") as file:
                    self.lend(literal(file.read())["environment"])
            self.tell("running %d" % number)
            self.get_to_know()
        leaves = False
        try:
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                code = self.read_statement()
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        except Recalled:
            print(file=sys.stdout, flush=True)
        except (Killed, KeyboardInterrupt):
            # A ^C may come when the line has just been read.
            self.lines = []
            print("\nKeyboardInterrupt", file=sys.stderr, flush=True)
        else:
            if code is None:
                leaves, self.status = True, 0
            else:
                self.status, leaves = self.guarded(self.execute, code)
        if os.getpid() != self.pid:
            self.end_copy(self.status)
        self.detach()
        if leaves:
            self.end_visit()
            self.running = None
            self.tell("completed %d %d" % (number, self.status))
        else:
            self.asked += 1
            self.tell("prompt %d %d" % (number, self.asked))

    def end_visit(self):
        self.visit = None
        self.give_back()

    # The whole of it.

    # Signals for the driver.

    def is_for_us(self, number):
        """A process that a script has forked has our handlers, and dies as any other does."""
        if os.getpid() == self.pid:
            return True
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return False

    def on_kill(self, number, _):
        if self.is_for_us(number) and self.running is not None:
            raise Killed

    def on_hang_up(self, number, _):
        if self.is_for_us(number):
            raise HungUp(129)

    def on_terminate(self, number, _):
        """It comes with the hang-up, and must not cut short what is registered with atexit."""
        self.is_for_us(number)

    def loop(self):
        self.attach(os.devnull, os.devnull, os.devnull)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(KILLED, self.on_kill)
        signal.signal(RECALLED, self.on_recall)
        signal.signal(signal.SIGHUP, self.on_hang_up)
        signal.signal(signal.SIGTERM, self.on_terminate)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.tell("opened")
        while True:
            number, flags = self.order()
            if number != self.visit and self.visit is not None:
                self.end_visit()
            self.running = self.latest = number
            if "v" in flags:
                self.serve(number, flags)
            else:
                self.invoke(number, flags)


def mark(thread):
    """Which invocation a thread belongs to, with all that it starts."""
    own = getattr(threading.current_thread(), "_outlast_streams", None)
    thread._outlast_streams = own
    thread._outlast_invocation = getattr(
        threading.current_thread(), "_outlast_invocation", driver.running
    )


def start(thread, started=threading.Thread.start):
    mark(thread)
    return started(thread)


driver = Driver()
for name in ("builtins", "sys", "directory", "__warningregistry__"):
    driver.main.pop(name, None)
threading.Thread.start = start
try:
    driver.loop()
except HungUp:
    driver.attach(os.devnull, os.devnull, os.devnull)
    sys.exit(129)
