"""Floating licenses for an application in Python: take a seat, prove it, know at any moment whether to go on.

    with mooring.connect(vendor_keys=["9f2c…"], app_version="2026.1", built_on="2026-03-01") as m:
        with m.hold("render", seats=2, wait=60) as seat:
            for frame in frames:
                seat.check()        # raises mooring.Unlicensed(why, action)
                render(frame)

The vendor's keys, written into the program, are the only source of trust. It runs over libmooring, which the wheel carries.
"""

from ._errors import (
    Broken,
    Error,
    Forked,
    Invalid,
    NoSidecar,
    NotLicensed,
    NotVerified,
    Refused,
    Timeout,
    Unlicensed,
    Unproven,
)
from ._mooring import Mooring, connect
from ._native import lib as _lib
from ._proof import Proof, verify
from ._seat import Details, Seat, State

__version__ = _lib.version().decode()

__all__ = [
    "Broken", "Details", "Error", "Forked", "Invalid", "Mooring", "NoSidecar", "NotLicensed", "NotVerified", "Proof", "Refused", "Seat", "State",
    "Timeout", "Unlicensed", "Unproven", "connect", "verify",
]
