"""Another process, forked from this warm one: importing PyTorch anew takes seconds."""

import contextlib
import gc
import os
import signal
import sys
import time
import traceback


def forked(function, *, timeout_s=600.0):
    """Call ``function`` in a child process and give its exit status.

    A signal that ended it is negative, as ``subprocess`` has it; Ctrl-C is 130, as
    shells have it. One that takes too long is killed, with all that it started, and
    is an error.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os._exit(_status_of(function))
    end = time.monotonic() + timeout_s
    try:
        while time.monotonic() < end:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise TimeoutError(f"the process took longer than {timeout_s} s")
    finally:  # the workers of a DataLoader, for seconds yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)


def _status_of(function):
    gc.freeze()  # or each collection would copy all that the parent has in memory
    status = 1
    try:
        function()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(bool(error.code))
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return status
