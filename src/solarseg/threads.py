"""Number of cores, and parallel work in threads with constant memory.

Threads are enough: decoding, compressing and writing release the global interpreter lock.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Semaphore
from typing import Any, TypeVar

__all__ = ["count_cores", "fan_out", "map_ahead"]

_AHEAD = 4  # items read but not yet done, for each thread

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_cores() -> int:
    """Return the number of cores that this process may use, which may be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def map_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int = 1, ahead: int = 2
) -> Generator[Result, None, None]:
    """Apply a function as `map` does, but in threads and a few items ahead of the caller.

    Reading and decoding then run while the network computes, and only a few items are in memory at a time.

    Args:
        work: function that mostly releases the global interpreter lock (decoding, compressing, reading, writing).
        items: iterated by the thread of the caller.
        threads: 1 or more.
        ahead: number of items that are processed ahead of the caller.

    Yields:
        Results in the order of the items. An exception of ``work`` is raised here.

    Examples:
        >>> list(map_ahead(str.upper, "abc"))
        ['A', 'B', 'C']
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def fan_out(
    streams: Sequence[Callable[[], Iterable[Item]]], work: Callable[[Item], Result], threads: int
) -> Iterator[Result]:
    """Apply a function to every item of several streams, in threads.

    Each stream is iterated in order by one thread; up to ``threads`` streams are read at a time. The function runs in
    as many other threads, so it should mostly release the global interpreter lock (decoding, compressing, reading,
    writing). Only a few items per thread wait at a time.

    Args:
        streams: functions that return the items of a stream.
        work: function of an item, called in any thread.
        threads: 1 or more.

    Yields:
        Results in the order in which they are finished. The first exception of a stream or of ``work`` is raised here,
        and stops everything.

    Examples:
        >>> sorted(fan_out([lambda: range(3), lambda: range(10, 12)], lambda item: item**2, threads=2))
        [0, 1, 4, 100, 121]
    """
    finished: SimpleQueue[Future[Any]] = SimpleQueue()
    room, stop = Semaphore(_AHEAD * threads), Event()

    def follow(stream: Callable[[], Iterable[Item]]) -> int:
        count = 0
        for item in stream():
            room.acquire()
            if stop.is_set():
                break
            workers.submit(work, item).add_done_callback(finished.put)
            count += 1
        return count

    readers, workers = ThreadPoolExecutor(threads), ThreadPoolExecutor(threads)
    following: set[Future[Any]] = {readers.submit(follow, stream) for stream in streams}
    try:
        for future in following:
            future.add_done_callback(finished.put)
        awaited = 0  # items of the streams that have ended, minus finished items
        while following or awaited:
            ended = finished.get()
            if ended in following:
                following.remove(ended)
                awaited += ended.result()
            else:
                awaited -= 1
                room.release()
                yield ended.result()
    finally:
        stop.set()
        room.release(len(streams) + 1)
        readers.shutdown(cancel_futures=True)
        workers.shutdown(cancel_futures=True)
