import threading
import time

import pytest

from solarseg.threads import fan_out


def test_all_items_of_all_streams_are_done_once():
    streams = [lambda start=start: range(start, start + 50) for start in (0, 100, 200)]
    done = sorted(fan_out(streams, lambda item: item, threads=4))
    assert done == [item for stream in streams for item in stream()]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_stream_and_empty_streams_end(threads):
    assert list(fan_out([], str, threads)) == []
    assert list(fan_out([lambda: [], lambda: []], str, threads)) == []


def test_streams_are_read_side_by_side():
    both = threading.Barrier(2, timeout=10)

    def stream():
        both.wait()  # each waits for the other
        yield 1

    assert list(fan_out([stream, stream], lambda item: item, threads=2)) == [1, 1]


def fail_at_30():
    yield from range(30)
    raise ValueError("stream")


@pytest.fixture
def threads_end():
    """Wait at the end of a test until the threads that it started have ended, or fail by the limit for every test."""
    before = set(threading.enumerate())
    yield
    while set(threading.enumerate()) - before:
        time.sleep(0.01)


@pytest.mark.parametrize("where", ["stream", "work"])
def test_what_is_raised_arrives_and_ends_all(where, threads_end):
    def work(item):
        if where == "work" and item == 30:
            raise ValueError("work")
        return item

    streams = [fail_at_30 if where == "stream" else (lambda: range(10_000)), lambda: range(20_000, 30_000)]
    with pytest.raises(ValueError, match=where):
        list(fan_out(streams, work, threads=2))


def test_a_caller_that_stops_iterating_stops_the_work(threads_end):
    results = fan_out([lambda: iter(range(10**9))] * 3, lambda item: item, threads=2)
    next(results)
    results.close()
