"""A seat: checking it, waiting for its changes, giving it back."""

import asyncio
import select
import sys
import time
import traceback
from typing import Any, Callable, NamedTuple, Optional

from . import _native as n
from ._errors import Unlicensed, done, last
from ._proof import Proof, proof

_STANDINGS = {0: "unlicensed", 1: "licensed", 2: "ending"}


class State(NamedTuple):
    """How the application stands with a seat."""

    #: ``"licensed"``; ``"ending"``: still licensed, but nothing moves the limit on, so save the work; or ``"unlicensed"``.
    standing: str
    #: Why it ends or has ended, as ``"NoServer"``; ``None`` while it is licensed.
    why: Optional[str]
    #: How long from now, in seconds.
    remaining: float
    #: Until when, in seconds of the boot clock (``time.clock_gettime(time.CLOCK_BOOTTIME)``); 0 if it is not licensed.
    until: float

    @property
    def is_licensed(self) -> bool:
        """Whether the application may go on."""
        return self.standing != "unlicensed"


class Details(NamedTuple):
    """What else is known of a seat."""

    #: The claim's name; ``None`` if it has none yet.
    claim: Optional[str]
    #: What the sidecar says of it, unverified: ``"Held"``, ``"Grace"``, ``"Waiting"``, …
    told: Optional[str]
    #: The place in line, from 1.
    place: Optional[int]
    #: What happened, in words.
    message: Optional[str]
    #: The last token that verified.
    proof: Optional[Proof]


def _state(s: n.State) -> State:
    why = n.lib.why_name(s.why).decode() or None
    return State(_STANDINGS.get(s.standing, "unlicensed"), why, s.remaining_ms / 1000, s.until_boot_ms / 1000)


class Seat:
    """A seat of one product; from :meth:`Mooring.hold` and its like. Given back by :meth:`release`, by the end of a ``with`` block, and
    when the process ends, however.

    Without a thread the application drives it: :meth:`check`, :attr:`state`, :meth:`wait` and :meth:`poll` do. A forked child has no seat.
    """

    def __init__(self, handle: int, has_thread: bool):
        self._handle = handle
        self._has_thread = has_thread
        self._callbacks: list = []

    def _open(self) -> int:
        if not self._handle:
            raise ValueError("the seat was released")
        return self._handle

    def check(self) -> None:
        """Returns if the application may go on, and raises :class:`Unlicensed` if not. Never waits; for the innermost loop."""
        if not n.lib.check(self._open()):
            s = self._get_state()
            # It may have come back between the two.
            if s.standing == 0:
                words, action = n.lib.why_words(s.why), n.lib.why_action(s.why)
                raise Unlicensed(n.lib.why_name(s.why).decode(), words.decode(), action.decode())

    @property
    def is_licensed(self) -> bool:
        """The same as a question."""
        return n.lib.check(self._open())

    def _get_state(self) -> n.State:
        s = n.filled(n.State)
        done(n.lib.get_state(self._open(), n.byref(s)))
        return s

    @property
    def state(self) -> State:
        """How the seat stands now, with reason and limit. Never waits."""
        return _state(self._get_state())

    @property
    def details(self) -> Details:
        """What else is known."""
        d = n.filled(n.Details)
        done(n.lib.get_details(self._open(), n.byref(d)))
        return Details(
            d.claim.decode() or None, d.told.decode() or None, d.place or None, d.message.decode() or None, proof(d.proof) if d.proved else None,
        )

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until the seat changes, at most ``timeout`` seconds; whether it did. Other threads run meanwhile, and signals are heard."""
        end = None if timeout is None else time.monotonic() + timeout
        seen = self._get_state().changes
        while self._get_state().changes == seen:
            left = 3600 if end is None else end - time.monotonic()
            if left <= 0:
                return False
            # With a thread it may be the thread that hears the news.
            self._readable(min(left, 0.1) if self._has_thread else left)
            self.poll()
        return True

    async def changed(self) -> State:
        """Waits in an event loop until the seat changes, and says how it stands. Starts no thread."""
        seen = self._get_state().changes
        while self._get_state().changes == seen:
            await self._readable_async()
            self.poll()
        return self.state

    def fileno(self) -> int:
        """The descriptor that is readable when :meth:`poll` has something to do, for event loops; its timers are in there, too."""
        return n.lib.fd(self._open())

    def poll(self) -> State:
        """Does what can be done without waiting, calls back whoever is to be told, and says how the seat stands."""
        done(n.lib.poll(self._open()))
        return self.state

    def on_change(self, f: Callable[[State], Any]) -> None:
        """Calls ``f`` with the present state and then at each change: on the seat's thread, where there is one, else in :meth:`poll`,
        :meth:`check` and :meth:`wait`. What it raises is printed, and changes nothing."""

        def call(state, _user):
            try:
                f(_state(state.contents))
            except BaseException:
                traceback.print_exc(file=sys.stderr)

        callback = n.Changed(call)
        self._callbacks.append(callback)
        done(n.lib.on_change(self._open(), callback, None))

    def release(self) -> None:
        """Gives the seat back. A second time does nothing."""
        handle, self._handle = self._handle, 0
        if handle:
            n.lib.release(handle)

    def _readable(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        poll.poll(max(0, seconds) * 1000)

    async def _readable_async(self) -> None:
        loop, fd = asyncio.get_running_loop(), self.fileno()
        ready = loop.create_future()
        loop.add_reader(fd, lambda: ready.done() or ready.set_result(None))
        try:
            await asyncio.wait_for(ready, 0.1 if self._has_thread else None)
        except asyncio.TimeoutError:
            pass
        finally:
            loop.remove_reader(fd)

    def _begun(self) -> bool:
        code = n.lib.begun(self._open())
        if code not in (0, n.AGAIN):
            raise last(code)
        return code == 0

    def _begin(self) -> None:
        try:
            while not self._begun():
                self._readable(0.1 if self._has_thread else 3600)
        except BaseException:
            self.release()
            raise

    async def _begin_async(self) -> None:
        try:
            while not self._begun():
                await self._readable_async()
        except BaseException:
            self.release()
            raise

    def __enter__(self) -> "Seat":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()

    def __del__(self) -> None:
        # Nothing to do while the interpreter ends: so does the process, and that gives it back.
        if not sys.is_finalizing() and getattr(self, "_handle", 0):
            self.release()

    def __repr__(self) -> str:
        return f"<mooring.Seat {self.state if self._handle else 'released'}>"
