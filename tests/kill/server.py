"""``python -m tests.kill.server IN OUT …``: a process that has imported everything forks a server
for each pair of pipes, which runs commands in forks of itself.

Each line of a pipe IN is a JSON table: ``words`` of the command line, ``cwd``, ``stderr`` (a file),
``signals``, pairs (seconds after the start, number) and ``limit``, the size in bytes that no file
may exceed. Each line of its OUT: the exit code (negative: the signal), and the seconds it took.
"""

import json
import os
import resource
import signal
import sys
import time

import torch

import priorkit.results.gallery
import priorkit.run.bookmark
import priorkit.training.run
import priorkit.verbs.compare
import priorkit.verbs.recover
from priorkit.cli import main
from priorkit.registry import KINDS, registry


def warm():
    """Import every component, and load nothing."""
    priorkit.run.bookmark.EVERY = 0.05  # seconds, where draws take milliseconds
    torch.set_num_threads(1)  # nothing here may start a thread, which no fork survives
    for kind in KINDS:
        for entry in registry().entries(kind):
            entry.load()


def child(task):
    """Run the command in this process, and end it."""
    os.chdir(task["cwd"])
    if task.get("limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["limit"], task["limit"]))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for number, path in ((1, os.devnull), (2, task["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["priorkit", *task["words"]]
    code = 70
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:  # one that waited, before main could take it
        code = 130
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def run(task):
    started = time.perf_counter()
    # A command begins where it can end well: a Ctrl-C before that waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    pid = os.fork()
    if pid == 0:
        child(task)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for when, number in task["signals"]:
        time.sleep(max(0.0, started + when - time.perf_counter()))
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
    _, status = os.waitpid(pid, 0)
    return {"code": os.waitstatus_to_exitcode(status), "seconds": time.perf_counter() - started}


def serve(tasks, told):
    """Run what one pipe asks for, one at a time, until it is closed."""
    with open(tasks) as lines, open(told, "w") as said:
        for line in lines:
            print(json.dumps(run(json.loads(line))), file=said, flush=True)


if __name__ == "__main__":
    warm()
    print("ready", flush=True)
    pipes = [int(word) for word in sys.argv[1:]]
    for tasks, told in zip(pipes[::2], pipes[1::2], strict=True):
        if os.fork() == 0:
            serve(tasks, told)
            os._exit(0)
    for _ in pipes[::2]:
        os.wait()
