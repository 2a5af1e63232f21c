"""Cores and ordered parallel work in threads, with flat memory.

Threads, not processes: decoding, compressing and writing release Python's global lock.
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
    """Count the cores this process may use, which may be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def map_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int = 1, ahead: int = 2
) -> Generator[Result, None, None]:
    """Do what `map` does, in threads, some items ahead of what is asked for.

    So reading and decoding go on while the network computes, and no more than a few items are held at any time.

    Args:
        work: of the kind that leaves Python to itself (decoding, compressing, reading, writing).
        items: gone through by the caller's thread.
        threads: 1 or more.
        ahead: items that are worked on, or done, before the caller has taken the one before them.

    Yields:
        What ``work`` returned, in the order of the items. What it raises is raised here.

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
    """Do some work on every item of some streams, as soon as there is a thread for it.

    Each stream is gone through in order by one thread, up to ``threads`` of them at a time. The work is done by
    as many other threads, so it should be of the kind that leaves Python to itself (decoding, compressing,
    reading, writing). No more than a few items for each thread wait at any time.

    Args:
        streams: each gives its items when called.
        work: what is done with an item, in any thread.
        threads: 1 or more.

    Yields:
        What ``work`` returned, in the order in which it was done. What a stream or ``work`` raises is raised
        here, once, and ends all.

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
        awaited = 0  # items handed out by the streams that have ended, less those done
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
