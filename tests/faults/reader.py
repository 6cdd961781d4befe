"""Reads folders as a user would, in children of a warm process that is watched.

``python -m tests.faults.reader ROOT`` takes a JSON request a line and gives an answer a
line. Each request is done in a forked child: what it runs, imports, writes or connects
to is noted, how long it took, and how much memory more than before.
"""

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_S = 60
NEVER = (
    "builtins.input",
    "code.__new__",
    "cpython.run_",
    "ftplib.",
    "http.client.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.putenv",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pickle.find_class",
    "pty.spawn",
    "shutil.make_archive",
    "smtplib.",
    "socket.__new__",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.send",
    "subprocess.Popen",
    "urllib.Request",
    "webbrowser.open",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate")


class Watch:
    """An audit hook: it notes what no reading of a file may do."""

    def __init__(self, modules):
        self.modules = modules
        self.folder = None
        self.found = []
        self.ours = [
            os.path.realpath(path)
            for path in (*sysconfig.get_paths().values(), sys.base_prefix, ROOT)
        ]
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if self.folder is None:
            return
        folder, self.folder = self.folder, None  # it opens files itself
        try:
            if what := self.forbidden(folder, event, arguments):
                self.found.append(f"{event}: {what}"[:300])
        finally:
            self.folder = folder

    def forbidden(self, folder, event, arguments):
        if event.startswith(NEVER):
            return repr(arguments)
        if event == "import" and arguments[0].partition(".")[0] in self.modules:
            return arguments[0]
        if event == "exec" and not self.is_ours(arguments[0].co_filename):
            return arguments[0].co_filename
        if event == "compile" and not self.is_ours(str(arguments[1])):
            return repr(arguments)
        if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            path, mode, flags = arguments
            writes = (flags or 0) & WRITING if mode is None else set(mode) & set("wax+")
            if writes and not self.is_within(folder, path):
                return f"{os.fspath(path)} to be written"
        if event in CHANGING and not all(
            self.is_within(folder, each, arguments[-1])
            for each in arguments
            if isinstance(each, (str, bytes, os.PathLike))
        ):
            return repr(arguments)
        return None

    def is_ours(self, name):
        path = os.path.realpath(name)
        return os.path.isfile(path) and path.startswith(tuple(self.ours))

    @staticmethod
    def is_within(folder, path, within=-1):
        # The place of a link, not of what it leads to: writing through it is found by
        # the content of what lies outside.
        path = os.fsdecode(path)
        if isinstance(within, int) and within >= 0:  # shutil.rmtree's folder
            path = os.path.join(os.readlink(f"/proc/self/fd/{within}"), path)
        path = os.path.abspath(path)
        return path.startswith(folder + os.sep) or path in (folder, os.devnull)


# --- What a user does -----------------------------------------------------------------


def command(*arguments):
    from gradatim.cli.main import run

    code = run([str(argument) for argument in arguments])
    if code == 0:
        return
    raise SystemExit(code)


def table(root, run):
    import gradatim as gt

    file, answers = root / "houses.csv", run.parent / "answers.csv"
    return {
        "load run": lambda: gt.load(run),
        "load model": lambda: gt.load(run / "model"),
        "predict": lambda: command("predict", file, "-o", answers, "--run", run),
        "evaluate": lambda: command("evaluate", file, "--run", run),
        "show": lambda: command("show", "--run", run),
        "show json": lambda: command("show", "--json", "--run", run),
        "resume": lambda: command(
            "resume", "--run", run, "--epochs", 3, "--data", file
        ),
    }


def python(form):
    def entries(root, run):
        import gradatim as gt
        from tests.faults.hostile import PYTHON, network

        return {
            "load run": lambda: gt.load(run, model=network),
            "load model": lambda: gt.load(run / "model", model=network()),
            "show": lambda: command("show", "--run", run),
            "show json": lambda: command("show", "--json", "--run", run),
            "resume": lambda: PYTHON[form](run, epochs=3),
        }

    return entries


def sick(root, run):
    """What no reading of a file may do: the watch must see each of them."""
    import pickle
    import socket

    return {
        "unpickle": lambda: pickle.loads((run / "payload").read_bytes()),
        "import": lambda: __import__("canary_payload"),
        "call": lambda: os.system("true"),
        "start": lambda: subprocess.run(["true"]),
        "evaluate": lambda: eval("1 + 1"),
        "execute": lambda: exec("x = 1"),
        "connect": lambda: socket.socket().close(),
        "write": lambda: (root / "outside" / "more").write_text("x"),
        "remove": lambda: (root / "outside" / "more").unlink(),
        "follow a link": lambda: (run / "link").write_text("x"),
        "allocate": lambda: bytearray(300_000_000).extend(b"1"),
    }


ENTRIES = {
    "table": table,
    "trainer": python("trainer"),
    "loop": python("loop"),
    "sick": sick,
}


def outcome_of(function):
    """Give one of three: done; refused, with a clear line first; or an error.

    Asking for a factory that only the user can give is no refusal, nor an error.
    """
    from gradatim.errors import ConfigError, GradatimError

    said = io.StringIO()
    try:
        out = contextlib.redirect_stdout(io.StringIO())
        with out, contextlib.redirect_stderr(said):
            function()
        return "done", said.getvalue()
    except GradatimError as error:
        outcome = "asks" if isinstance(error, ConfigError) else "refused"
        return outcome, f"{type(error).__name__}: {error}"
    except SystemExit as error:
        text = said.getvalue()
        lines = [line for line in text.splitlines() if line.startswith("gradatim: ")]
        clear = "Traceback" not in text and "not foreseen" not in text and lines
        outcome = {1: "refused", 2: "asks"}.get(error.code, "error")
        return outcome if clear else "error", text
    except BaseException as error:
        return "error", f"{type(error).__name__}: {error}"


def answer(request, root, watch):
    began, before = time.process_time(), peak_bytes()
    folder = os.path.realpath(request["folder"])
    entries = ENTRIES[request["kind"]](root, Path(folder, "run"))
    outcomes = {}
    watch.folder, watch.found = folder, []
    for name in request["entries"] or entries:
        outcome, text = outcome_of(entries[name])
        outcomes[name] = outcome, text[-4000:]
    watch.folder = None
    return {
        "outcomes": outcomes,
        "forbidden": watch.found,
        "processor_s": time.process_time() - began,
        "bytes": peak_bytes() - before,
    }


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_child(request, root, watch):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(MOST_S)
        try:
            text = json.dumps(answer(request, root, watch))
        except BaseException as error:
            text = json.dumps({"broken": repr(error)})
        with open(writing, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        text = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return text or json.dumps({"broken": f"the process ended with {status}"})


def main():
    root = Path(sys.argv[1])
    sys.path.insert(0, str(root))  # where the module lies that no file may import
    watch = Watch(modules=("canary_payload",))
    import torch

    torch.set_num_threads(1)
    repr(torch.ones(1))  # imports more of torch
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("warm"):  # what is imported when it is first used
            text = json.dumps(answer(request, root, watch))
        else:
            text = in_child(request, root, watch)
        print(text, flush=True)


class Reader:
    """The warm process, from outside."""

    def __init__(self, root):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.reader", str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
        )

    def ask(self, kind, folder, entries=(), **options):
        request = {"kind": kind, "folder": str(folder), "entries": list(entries)}
        print(json.dumps(request | options), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


if __name__ == "__main__":
    main()
