import os
import sys
import threading
from concurrent.futures import wait

import pytest

from unsupervised_learning.monitoring.writer_thread import AT_MOST, NICENESS, Background


def test_does_everything_in_order_in_another_thread():
    done = []
    with Background() as background:
        for number in range(3 * AT_MOST):
            background.do(lambda number=number: done.append((number, threading.current_thread().name)))
        assert not done  # before it may begin
        background.finish()
        assert [number for number, _ in done] == list(range(3 * AT_MOST))
    assert threading.current_thread().name not in {name for _, name in done}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are not a thread's own")
def test_only_its_thread_gives_way():
    found = []
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with Background() as background:
        background.do(lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    assert found == [min(before + NICENESS, 19)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_leaving_waits_for_what_was_given():
    gate, done = threading.Event(), []
    with Background() as background:
        background.do(gate.wait)
        background.do(done.append, "after the gate")
        background.begin()
        background.do(done.append, "not begun")
        assert not done
        gate.set()
    assert done == ["after the gate", "not begun"]


def test_no_more_wait_than_may():
    gate, entered = threading.Event(), threading.Event()

    def fill(background):
        for _ in range(AT_MOST + 1):
            background.do(gate.wait)
        background.begin()
        entered.set()

    with Background() as background:
        giver = threading.Thread(target=fill, args=[background])
        giver.start()
        assert not entered.wait(0.2)  # it has to wait for the first
        gate.set()
        giver.join()
    assert entered.is_set()


def full():
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", [Background.begin, Background.finish])
def test_an_error_is_raised_by_a_later_call(call):
    with Background() as background:
        background.do(full)
        background.begin()
        wait([background.given[0]])
        background.do(int)
        with pytest.raises(OSError, match="No space left"):
            call(background)


def test_an_error_is_raised_at_the_end():
    background = Background()
    background.do(full)
    with pytest.raises(OSError, match="No space left"):
        background.__exit__(None, None, None)


def test_an_error_on_its_way_is_not_replaced():
    background, done = Background(), []
    background.do(full)
    background.begin()
    background.do(done.append, "not begun")
    background.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not done
