"""Work done ahead of the one who waits for it."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["map_ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")


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
