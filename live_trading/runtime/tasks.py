"""The one place that starts asyncio tasks. No task is lost, and no failure is silent."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

_CANCEL_AGAIN_SECONDS = 1.0


class TaskFailed(Exception):  # noqa: N818 - it tells what happened, as the journal's own names do
    """A background task ended with an exception; ``name`` says which, ``__cause__`` says why."""

    def __init__(self, name: str, cause: BaseException) -> None:
        super().__init__(f"background task {name!r} failed: {type(cause).__name__}: {cause}")
        self.name = name
        self.__cause__ = cause


class Tasks:
    """A group of background tasks that live and end together.

    The first task that fails makes ``failed()`` return; whoever owns the group decides what that means. ``close()``
    cancels the rest and waits for them.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: TaskFailed | None = None
        self._failed = asyncio.Event()

    def start(
        self, coroutine: Coroutine[Any, Any, Any], name: str, context: contextvars.Context | None = None
    ) -> asyncio.Task[Any]:
        """Run ``coroutine`` in the background under ``name``."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._failure is None:
            self._failure = TaskFailed(task.get_name(), error)
            self._failed.set()

    async def failed(self) -> TaskFailed:
        """Wait until a task has failed; return its failure."""
        await self._failed.wait()
        assert self._failure is not None
        return self._failure

    @property
    def failure(self) -> TaskFailed | None:
        """The first failure, if there was one."""
        return self._failure

    def __len__(self) -> int:
        return len(self._tasks)

    async def close(self) -> None:
        """Cancel every task and wait until all have ended (including those started meanwhile).

        A task may lose a cancellation that comes in the same moment as what it waits for (Python 3.11's
        ``asyncio.wait_for``, inside libraries): it is cancelled again, and again, until it ends.
        """
        current = asyncio.current_task()
        while waiting := [task for task in self._tasks if task is not current]:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting, timeout=_CANCEL_AGAIN_SECONDS)
