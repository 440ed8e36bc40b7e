"""One process for one kind of work on clips, behind a queue, because clips may come from anybody."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from lipaccord.archive.confinement import Confined
from lipaccord.archive.records import Errand, Reply


class Bench:
    """Does errands one after another in a process of its own; any thread may ask."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"lipaccord-{name}")
        self._confined = Confined()

    def ask(self, errand: Errand) -> Future[Reply]:
        """Queue an errand."""
        return self._thread.submit(self._confined.do, errand)

    def close(self) -> None:
        """Drop what waits, kill what runs, and leave no process behind."""
        self._confined.stop()
        self._thread.shutdown(cancel_futures=True)
        self._confined.close()
