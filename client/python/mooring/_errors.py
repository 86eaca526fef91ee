"""What can go wrong, and what to do about it."""

from typing import Optional

from ._native import lib


class Error(Exception):
    """A call did not succeed. ``str()`` says why in words; :attr:`reason` is short, and the same in every client library."""

    def __init__(self, words: str, reason: str = ""):
        super().__init__(words)
        #: For programs: ``"LicenseExpired"``, ``"LeaseNonce"``, ``"unknown-product"``, ``"Waiting"``, …
        self.reason = reason


class Invalid(Error, ValueError):
    """What the application passed is malformed."""


class NoSidecar(Error):
    """Nothing listens at the socket: the pod is not annotated, or this container is left out."""


class Timeout(Error):
    """The sidecar did not answer in time."""


class Broken(Error):
    """The connection broke, or cannot be understood."""


class Refused(Error):
    """The license server, or the sidecar, said no; :attr:`reason` is the kind of problem."""


class NotLicensed(Error):
    """There is no seat now; :attr:`reason` is the claim's state, as ``"Waiting"``."""


class Unproven(Error):
    """The sidecar says go on, and no license server confirms it."""


class NotVerified(Error):
    """What came does not verify: edited, replayed, of another vendor, product, version, lease."""


class Forked(Error):
    """The seat is the parent's of this process; take one in the child."""


class Unlicensed(Error):
    """The application must stop: raised by :meth:`Seat.check`."""

    def __init__(self, why: str, words: str, action: str):
        super().__init__(f"not licensed: {words}; {action}", why)
        #: Why, as ``"Expired"``; the same in every client library.
        self.why = why
        #: What the user can do.
        self.action = action


_BY_CODE = {
    1: Invalid, 2: NoSidecar, 3: Timeout, 4: Broken, 5: Broken, 6: Refused, 7: NotLicensed, 8: Unproven, 9: NotVerified, 10: Forked,
}


def last(code: Optional[int] = None) -> Error:
    """The error of this thread's last call."""
    kind = _BY_CODE.get(lib.last_code() if code is None else code, Error)
    return kind(lib.last_error().decode(), lib.last_reason().decode())


def done(code: int) -> None:
    """Raises what a call says, unless it succeeded."""
    if code != 0:
        raise last(code)
