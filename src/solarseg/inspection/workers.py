"""Processes that inspect photographs and write reports.

Finding modules, measuring defects and writing reports is mostly work of Python, which threads of one process would do
by turns. Each process opens the network once. It is started with the Python command and gets its tasks through a pipe,
so that scripts need no ``if __name__ == "__main__"``, and a process that dies costs only its task.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import IO, Any

from solarseg.errors import ArgumentError, DataError, ModelFileError, OutputError, SolarsegError
from solarseg.inspection.job import InspectionJob
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.task import InspectionTask, TaskResult

__all__ = ["WorkerError", "WorkerSetup", "do_tasks_in_processes", "explain_end", "send"]

_MODULE = "solarseg.inspection.worker"
_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_FROM_OUTSIDE = ("SIGTERM", "SIGINT", "SIGHUP")
_POLL = 0.5  # seconds between looks for Ctrl-C, which Windows does not deliver to a thread that waits


@dataclass(frozen=True)
class WorkerSetup:
    """What a process has to know before its first photograph.

    Attributes:
        job: what is to be done.
        names: of the modules.
        threads: number of threads of the network.
    """

    job: InspectionJob
    names: ModuleNames
    threads: int


@dataclass(frozen=True)
class WorkerError:
    """An exception of a process that is not about a photograph.

    Attributes:
        kind: name of its class.
        message: what it says.
    """

    kind: str
    message: str

    def raise_again(self) -> None:
        """Raise it in this process."""
        kinds = {kind.__name__: kind for kind in (OutputError, ModelFileError, DataError, ArgumentError)}
        raise kinds.get(self.kind, SolarsegError)(self.message)


def do_tasks_in_processes(
    job: InspectionJob, names: ModuleNames, tasks: Sequence[InspectionTask], count: int, threads: int
) -> Iterator[TaskResult]:
    """Do tasks in processes, one task at a time each.

    Args:
        job: what is to be done.
        names: of the modules.
        tasks: photographs or reports.
        count: number of processes.
        threads: number of threads of the network in each process.

    Yields:
        What came of each task, in the order in which they are finished.

    Raises:
        SolarsegError: the model cannot be used, or a result cannot be written; no process is left.
    """
    setup = WorkerSetup(job, names, threads)
    waiting: SimpleQueue[InspectionTask] = SimpleQueue()
    for task in tasks:
        waiting.put(task)
    finished: SimpleQueue[TaskResult | BaseException] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(count):
            stack.callback(_Server(setup, waiting, finished).stop)
        for _ in tasks:
            result = _get(finished)
            if isinstance(result, BaseException):
                raise result
            yield result


def _get(finished: "SimpleQueue[TaskResult | BaseException]") -> TaskResult | BaseException:
    while True:
        with suppress(Empty):
            return finished.get(timeout=_POLL)


class _Server:
    """A thread that gives tasks to a process, and starts another one if it dies."""

    def __init__(
        self,
        setup: WorkerSetup,
        waiting: "SimpleQueue[InspectionTask]",
        finished: "SimpleQueue[TaskResult | BaseException]",
    ) -> None:
        self._setup, self._waiting, self._finished = setup, waiting, finished
        self._stopped = Event()
        self._process: _Process | None = None
        self._thread = Thread(target=self._serve, name="inspection")
        self._thread.start()

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._stopped.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join()

    def _serve(self) -> None:
        try:
            while not self._stopped.is_set():
                task = self._waiting.get_nowait()
                self._process = self._process or _Process(self._setup)
                if not self._stopped.is_set():
                    self._finished.put(self._do(self._process, task))
        except Empty:
            pass
        except BaseException as error:
            self._finished.put(error)
        finally:
            if self._process is not None:
                self._process.close()

    def _do(self, process: "_Process", task: InspectionTask) -> TaskResult:
        try:
            result: TaskResult = process.ask(task)
        except EOFError:
            code = process.close()
            self._process = None
            return TaskResult(task.file, failure=f"the process that worked on it {explain_end(code)}")
        return result


class _Process:
    """A process that inspects photographs."""

    def __init__(self, setup: WorkerSetup) -> None:
        threads = dict.fromkeys(_LIBRARIES, str(setup.threads))
        path = os.pathsep.join(each or str(Path.cwd()) for each in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads, "PYTHONPATH": path},
            process_group=0,  # Ctrl-C is for us; we end them
        )
        try:
            self.ask(setup)
        except EOFError:
            end = explain_end(self.close())
            raise SolarsegError(f"a process to inspect photographs {end}, or use `processes=1`") from None
        except BaseException:
            self.kill()
            self.close()
            raise

    def ask(self, request: object) -> Any:
        """Send an object, and return the answer; raise `EOFError` if the process has died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            send(self._process.stdin, request)
            answer = pickle.load(self._process.stdout)
        except (OSError, pickle.UnpicklingError) as error:  # it died before or while it answered
            raise EOFError from error
        if isinstance(answer, WorkerError):
            answer.raise_again()
        return answer

    def close(self) -> int:
        """Wait for the end of the process, and return its exit code, or minus the signal that ended it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return self._process.wait()

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()


def explain_end(code: int) -> str:
    """Say how a process ended that should not have, and what to do: the end of a sentence.

    Args:
        code: its exit code, or minus the signal that ended it.

    Examples:
        >>> explain_end(3)
        'ended with exit code 3; please report this with what was printed'
        >>> explain_end(-11)
        'crashed with signal 11 (SIGSEGV); please report this with what was printed'
    """
    report = "please report this with what was printed"
    if code >= 0:
        return f"ended with exit code {code}; {report}"
    names = {each.value: each.name for each in signal.Signals}
    which = f"signal {-code} ({names.get(-code, 'unknown')})"
    if names.get(-code) == "SIGKILL":
        return f"was ended with {which}, most likely because memory ran out; use fewer `processes`"
    if names.get(-code) in _FROM_OUTSIDE:
        return f"was ended from outside with {which}; inspect again"
    return f"crashed with {which}; {report}"


def send(pipe: IO[bytes], message: object) -> None:
    """Write an object into a pipe; both ends are ours."""
    pickle.dump(message, pipe)
    pipe.flush()
