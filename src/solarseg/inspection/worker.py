"""A process that inspects photographs; `solarseg.inspection.workers` starts it.

It reads a setup and then tasks from standard input, and writes what came of each to standard output. It ends with
its parent, however that ends.
"""

import faulthandler
import os
import pickle
import signal
import sys
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

import cv2

from solarseg.errors import SolarsegError
from solarseg.inspection.task import InspectionTask, do_task
from solarseg.inspection.workers import WorkerError, WorkerSetup, send

__all__ = ["run_worker"]


def run_worker() -> None:
    """Inspect photographs until standard input ends."""
    faulthandler.enable()  # a crash prints where it happened
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Windows, Ctrl-C arrives here too
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not be taken for an answer
    setup: WorkerSetup = pickle.load(sys.stdin.buffer)
    cv2.setNumThreads(setup.threads)
    tasks: SimpleQueue[InspectionTask] = SimpleQueue()
    Thread(target=_read, args=(sys.stdin.buffer, tasks), daemon=True).start()
    try:
        model = setup.job.model.open(setup.threads)
        send(answers, None)
        while True:
            send(answers, do_task(setup.job, model, setup.names, tasks.get()))
    except SolarsegError as error:
        send(answers, WorkerError(type(error).__name__, str(error)))
        tasks.get()  # the parent ends us


def _read(pipe: BinaryIO, tasks: "SimpleQueue[InspectionTask]") -> None:
    """Read tasks, and end the process at once when the parent closes the pipe or is gone."""
    while True:
        try:
            tasks.put(pickle.load(pipe))
        except EOFError:
            os._exit(0)


if __name__ == "__main__":
    run_worker()
