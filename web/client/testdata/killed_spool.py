"""Kills itself at one line of the spool after the other: its arguments are the server and the spool's file."""

import inspect
import os
import signal
import sys
import threading

import sluice

url, path = sys.argv[1:]


def run(name, line, times):
    """Puts readings, and is killed when a line is reached so many times; line 0 is never."""
    left = times

    def trace(frame, event, _):
        nonlocal left
        if frame.f_code.co_filename != sluice.__file__:
            return None
        if event == "line" and frame.f_lineno == line:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    spool = sluice.Client(url, backoff=(0.001, 0.01)).spool(path)
    for n in range(3):
        spool.put("readings", {"key": "k" if n % 2 else None, "data": "%s.%d" % (name, n)})
        os.write(1, b"put %s.%d\n" % (name.encode(), n))
    whole = spool.flush(120)
    spool.close()
    os.write(1, b"whole\n" if whole else b"left %s\n" % name.encode())
    os._exit(0)


def lines(code):
    """The lines of a function, and of those in it."""
    inner = [lines(c) for c in code.co_consts if inspect.iscode(c)]
    return {line for _, _, line in code.co_lines() if line}.union(*inner)


methods = [f for _, f in inspect.getmembers(sluice.Spool, inspect.isfunction)]
killed = 0
for line in [*sorted(set().union(*(lines(f.__code__) for f in methods))), 0]:
    for times in 1, 3:
        child = os.fork()
        if not child:
            run("%d.%d" % (line, times), line, times)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
print("killed", killed)
