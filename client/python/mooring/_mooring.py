"""Connecting, asking for seats, claims by name."""

import ctypes
import datetime
import json
import os
import weakref
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Union

from . import _native as n
from ._errors import done
from ._proof import Proof, proof
from ._seat import Seat

_OWN, _POD, _NAMED = 0, 1, 2


def connect(
    vendor_keys: Sequence[Union[str, bytes]],
    *,
    app_version: Optional[str] = None,
    built_on: Union[str, datetime.date, None] = None,
    socket: Union[str, "os.PathLike[str]", None] = None,
    min_anchor: str = "any",
    allow_unverified_start: Union[bool, str] = False,
) -> "Mooring":
    """Checks what the application says of itself, and that the sidecar answers.

    ``vendor_keys``: the vendor's Ed25519 public keys, each 64 hexadecimal digits or 32 bytes: the only source of trust, so write them into
    the program. ``app_version``: the license must cover it. ``built_on``: the day of the release (``"2026-03-01"``); maintenance must not
    have ended before it. ``socket``: another than ``$MOORING_SOCKET`` names. ``min_anchor``: ``"hardware"`` insists on an anchor whose
    key cannot be copied. ``allow_unverified_start``: a seat may start on the sidecar's word while no license server is in reach;
    ``"voucher"``: only with a voucher that one of the vendor keys has signed.
    """
    o = n.options(vendor_keys, app_version, built_on, socket, min_anchor, allow_unverified_start)
    handle = ctypes.c_void_p()
    done(n.lib.connect(n.byref(o), n.byref(handle)))
    return Mooring(handle.value)


class Mooring:
    """An application's keys and its way to the sidecar; from :func:`connect`. As a context manager it gives back, at the end of the block,
    the seats that were taken with it and are still there."""

    def __init__(self, handle: Optional[int]):
        self._handle = handle
        # Weak, as files are: a seat that nobody keeps is given back.
        self._seats: "weakref.WeakSet[Seat]" = weakref.WeakSet()

    def _open(self) -> int:
        if not self._handle:
            raise ValueError("the connection was closed")
        return self._handle

    def _ask(
        self, kind: int, product: str, seats: int, wait: Optional[float], version: Optional[str], name: Optional[str], thread: bool,
    ) -> Seat:
        c = n.filled(n.Claim)
        if not 1 <= seats < 2**32:
            raise ValueError(f"seats {seats!r}: expected 1 or more")
        c.seats = seats
        c.product, c.version, c.name = n.encoded("product", product), n.encoded("version", version), n.encoded("name", name)
        c.wait_ms = n.milliseconds("wait", wait)
        c.kind, c.with_thread = kind, int(bool(thread))
        handle = ctypes.c_void_p()
        done(n.lib.begin(self._open(), n.byref(c), n.byref(handle)))
        seat = Seat(handle.value or 0, bool(thread))
        self._seats.add(seat)
        return seat

    def hold(
        self, product: str, seats: int = 1, wait: Optional[float] = None, *, version: Optional[str] = None, thread: bool = False,
    ) -> Seat:
        """Takes seats of the application's own and waits for them, at most ``wait`` seconds (``math.inf``: for ever); without it a full
        pool is an error at once. Returns once the license server's answer to a question of the library's own has verified.

        ``thread=True`` lets a thread drive the seat; without one :meth:`Seat.check` and its like do, so call one each second or so.
        """
        seat = self._ask(_OWN, product, seats, wait, version, None, thread)
        seat._begin()
        return seat

    async def hold_async(
        self, product: str, seats: int = 1, wait: Optional[float] = None, *, version: Optional[str] = None, thread: bool = False,
    ) -> Seat:
        """The same in an event loop, without a thread: others run meanwhile. Cancelling it gives up the place in line."""
        seat = self._ask(_OWN, product, seats, wait, version, None, thread)
        await seat._begin_async()
        return seat

    def pod(self, product: str, seats: int = 1, wait: Optional[float] = None, *, thread: bool = False) -> Seat:
        """The seats that the pod holds by its annotation: followed and verified, never given back by the application."""
        seat = self._ask(_POD, product, seats, wait, None, None, thread)
        seat._begin()
        return seat

    def named(self, name: str, product: str, seats: int = 1, wait: Optional[float] = None, *, thread: bool = False) -> Seat:
        """The claim of this name, made by :meth:`put_claim`: followed and verified."""
        seat = self._ask(_NAMED, product, seats, wait, None, name, thread)
        seat._begin()
        return seat

    def prove(self, product: str) -> Proof:
        """Asks the license server once whether the pod's claim has this product, and verifies the answer."""
        p = n.filled(n.Proof)
        done(n.lib.prove(self._open(), n.encoded("product", product), n.byref(p)))
        return proof(p)

    def status(self) -> Dict[str, Any]:
        """How all claims stand, as the sidecar says: ``GET /v1/status``, unverified."""
        text = ctypes.c_void_p()
        done(n.lib.status(self._open(), n.byref(text)))
        try:
            return json.loads(ctypes.string_at(text.value or 0))
        finally:
            n.lib.free(text)

    def put_claim(self, name: str, items: Union[Mapping[str, int], Iterable[str]], wait: float = 0) -> bool:
        """Asks for seats under a name until :meth:`delete_claim`: ``{"render": 2}``, or names for one seat each. Whether they are held
        within ``wait`` seconds."""
        wanted = dict(items) if isinstance(items, Mapping) else {p: 1 for p in items}
        if any(not 1 <= count < 2**32 for count in wanted.values()):
            raise ValueError(f"items {wanted!r}: expected 1 seat or more of each")
        array = (n.Item * len(wanted))()
        for item, (product, count) in zip(array, wanted.items()):
            item.product, item.seats = n.encoded("items", product), count
        ms = n.milliseconds("wait", wait)
        code = n.lib.put_claim(self._open(), n.encoded("name", name), array, len(wanted), ms)
        if code != n.AGAIN:
            done(code)
        return code == 0

    def delete_claim(self, name: str) -> None:
        """Gives the seats of a name back. One that is not there is given back already."""
        done(n.lib.delete_claim(self._open(), n.encoded("name", name)))

    def close(self) -> None:
        """Gives back the seats that are still there, and ends the connection. A second time does nothing."""
        for seat in list(self._seats):
            seat.release()
        handle, self._handle = self._handle, None
        if handle:
            n.lib.close(handle)

    def __enter__(self) -> "Mooring":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
