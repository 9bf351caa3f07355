"""Work beside the loop: the newest of each name, in order, and nothing is held once it is done."""

import gc
import threading
import weakref

from engine.notices.background_worker import BackgroundWorker


class Held:
    """Something a job holds, as it would hold a rollout and its open journal."""

    def done(self) -> None:
        pass


def test_what_a_job_held_is_free_and_its_thread_gone_once_it_is_done() -> None:
    beside, held = BackgroundWorker(), Held()
    seen = weakref.ref(held)
    beside.do("page", held.done)
    assert beside.flush()
    del held
    for thread in [t for t in threading.enumerate() if t.name == "beside"]:
        thread.join(10)
        assert not thread.is_alive()
    gc.collect()
    assert seen() is None
    # And it works again.
    assert beside.flush()


def test_the_newest_job_of_a_name_is_done_in_the_place_of_the_first_and_a_failure_stops_none() -> None:
    beside, begin, done = BackgroundWorker(), threading.Event(), list[str]()
    beside.do("holds up", lambda: begin.wait(10))
    beside.do("a", lambda: done.append("old a"))
    beside.do("b", lambda: done.append("b"))
    beside.do("a", lambda: done.append("a"))
    beside.do("fails", lambda: 1 / 0)
    begin.set()
    assert beside.flush()
    assert done == ["a", "b"]
