import os
import sys
import threading
from concurrent.futures import wait

import pytest

from unsupervised_learning.monitoring.writer_thread import MAX_PENDING, NICENESS, Background


def test_runs_tasks_in_order_on_another_thread():
    done = []
    with Background() as background:
        for number in range(3 * MAX_PENDING):
            background.do(lambda number=number: done.append((number, threading.current_thread().name)))
        assert not done  # nothing runs before `begin` or `finish`
        background.finish()
        assert [number for number, _ in done] == list(range(3 * MAX_PENDING))
    assert threading.current_thread().name not in {name for _, name in done}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_lowers_the_priority_of_its_own_thread_only():
    found = []
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with Background() as background:
        background.do(lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
    assert found == [min(before + NICENESS, 19)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_exit_waits_for_all_tasks():
    gate, done = threading.Event(), []
    with Background() as background:
        background.do(gate.wait)
        background.do(done.append, "after the gate")
        background.begin()
        background.do(done.append, "not begun")
        assert not done
        gate.set()
    assert done == ["after the gate", "not begun"]


def test_begin_blocks_when_too_many_tasks_are_pending():
    gate, entered = threading.Event(), threading.Event()

    def fill(background):
        for _ in range(MAX_PENDING + 1):
            background.do(gate.wait)
        background.begin()
        entered.set()

    with Background() as background:
        giver = threading.Thread(target=fill, args=[background])
        giver.start()
        assert not entered.wait(0.2)  # it must wait for the first task
        gate.set()
        giver.join()
    assert entered.is_set()


def full():
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", [Background.begin, Background.finish])
def test_a_later_call_raises_a_tasks_error(call):
    with Background() as background:
        background.do(full)
        background.begin()
        wait([background.given[0]])
        background.do(int)
        with pytest.raises(OSError, match="No space left"):
            call(background)


def test_exit_raises_a_tasks_error():
    background = Background()
    background.do(full)
    with pytest.raises(OSError, match="No space left"):
        background.__exit__(None, None, None)


def test_exit_does_not_replace_a_propagating_error():
    background, done = Background(), []
    background.do(full)
    background.begin()
    background.do(done.append, "not begun")
    background.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not done
