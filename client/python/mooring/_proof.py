"""A chain that verified."""

import datetime
import json
from typing import NamedTuple, Optional, Sequence, Tuple, Union

from . import _native as n
from ._errors import done

_ANCHORS = {1: "pkcs11", 2: "usb", 3: "hwid"}


class Proof(NamedTuple):
    """A lease that verified: signed by the anchored server under the vendor's license, for this application."""

    #: Seats of the product.
    seats: int
    #: Seats over what was sold.
    overdraft: int
    #: ``"pkcs11"``, ``"usb"``, ``"hwid"``, or ``"other"`` if this version does not know it.
    anchor: str
    #: The anchor's key can be copied.
    software: bool
    #: It answers the application's own question, and so is no replay.
    fresh: bool
    #: The license is one for tests.
    test: bool
    #: The license is one for an emergency: until a broken anchor is replaced.
    emergency: bool
    #: How long the application may go on without contact, in seconds: from the asking if fresh.
    run_for: float
    #: The lease, in 32 hexadecimal digits.
    lease: str
    #: When the token was made by the server's clock, as ``"2026-06-01T12:05:00Z"``; ``""`` in a seat's details.
    issued_at: str
    #: The license's id.
    license_id: str


def proof(p: n.Proof) -> Proof:
    return Proof(
        p.seats, p.overdraft, _ANCHORS.get(p.anchor, "other"), bool(p.software), bool(p.fresh), bool(p.test), bool(p.emergency),
        p.run_for_ms / 1000, p.lease.decode(), p.issued_at.decode(), p.license_id.decode(),
    )


def verify(
    bundle: Union[str, bytes, dict],
    product: str,
    *,
    vendor_keys: Sequence[Union[str, bytes]],
    nonce: Optional[str] = None,
    bind: Optional[str] = None,
    app_version: Optional[str] = None,
    built_on: Optional[str] = None,
    min_anchor: str = "any",
    now: Optional[datetime.datetime] = None,
    first: Optional[Tuple[datetime.datetime, float]] = None,
) -> Proof:
    """Verifies a chain that came from anywhere, offline, with the vendor's keys alone.

    ``bundle`` is the JSON of ``GET /v1/token``, as text or read already. With a ``nonce`` it must answer that one, and with a
    ``bind`` be the seat of who sent that with ``POST /v1/hold?bind=…``. Its date is
    judged by this machine's clocks, or as if it were ``now`` in a process whose ``first`` fresh proof had this date, so many seconds ago.
    Raises :class:`NotVerified`, whose ``reason`` says at which link it fails.
    """
    if isinstance(bundle, dict):
        bundle = json.dumps(bundle)
    data = bundle.encode() if isinstance(bundle, str) else bytes(bundle)
    o = n.options(vendor_keys, app_version, built_on, None, min_anchor, False)
    p = n.filled(n.Proof)
    done(n.lib.verify(n.byref(o), n.encoded("product", product), n.encoded("nonce", nonce), n.encoded("bind", bind), data, len(data), n.clock(now, first), n.byref(p)))
    return proof(p)
