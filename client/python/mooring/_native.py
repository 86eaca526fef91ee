"""The C library: its structures and functions, as include/mooring.h has them. Nothing here is for applications."""

import ctypes
import datetime
import os
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_bool, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_ubyte, c_void_p

ABI = 1
AGAIN = 11


class Opts(Structure):
    _fields_ = [
        ("size", c_uint32), ("vendor_keys_len", c_uint32), ("vendor_keys", c_void_p), ("app_version", c_char_p), ("built_on", c_char_p),
        ("socket", c_char_p), ("min_anchor", c_uint32), ("allow_unverified_start", c_uint32),
    ]


class Claim(Structure):
    _fields_ = [
        ("size", c_uint32), ("seats", c_uint32), ("product", c_char_p), ("version", c_char_p), ("name", c_char_p), ("wait_ms", c_int64),
        ("kind", c_uint32), ("with_thread", c_uint32),
    ]


class Item(Structure):
    _fields_ = [("product", c_char_p), ("version", c_char_p), ("seats", c_uint32), ("reserved", c_uint32)]


class State(Structure):
    _fields_ = [
        ("size", c_uint32), ("standing", c_int), ("why", c_uint32), ("reserved", c_uint32), ("until_boot_ms", c_uint64),
        ("remaining_ms", c_uint64), ("changes", c_uint64),
    ]


class Proof(Structure):
    _fields_ = [
        ("size", c_uint32), ("seats", c_uint32), ("overdraft", c_uint32), ("anchor", c_uint32), ("software", c_uint32), ("fresh", c_uint32),
        ("test", c_uint32), ("emergency", c_uint32), ("run_for_ms", c_uint64), ("lease", c_char * 40), ("issued_at", c_char * 40),
        ("license_id", c_char * 256),
    ]


class Clock(Structure):
    _fields_ = [("size", c_uint32), ("reserved", c_uint32), ("now_ms", c_int64), ("first_issued_ms", c_int64), ("first_ago_ms", c_uint64)]


class Details(Structure):
    _fields_ = [
        ("size", c_uint32), ("place", c_uint32), ("claim", c_char * 64), ("told", c_char * 32), ("message", c_char * 512), ("proved", c_uint32),
        ("reserved", c_uint32), ("proof", Proof),
    ]


Changed = CFUNCTYPE(None, POINTER(State), c_void_p)

_FUNCTIONS = {
    "version": (c_char_p, []),
    "abi_1": (c_uint32, []),
    "last_error": (c_char_p, []),
    "last_reason": (c_char_p, []),
    "last_code": (c_int, []),
    "connect": (c_int, [POINTER(Opts), POINTER(c_void_p)]),
    "close": (None, [c_void_p]),
    "prove": (c_int, [c_void_p, c_char_p, POINTER(Proof)]),
    "status": (c_int, [c_void_p, POINTER(c_void_p)]),
    "free": (None, [c_void_p]),
    "put_claim": (c_int, [c_void_p, c_char_p, POINTER(Item), c_size_t, c_int64]),
    "delete_claim": (c_int, [c_void_p, c_char_p]),
    "verify": (c_int, [POINTER(Opts), c_char_p, c_char_p, c_char_p, c_char_p, c_size_t, POINTER(Clock), POINTER(Proof)]),
    "begin": (c_int, [c_void_p, POINTER(Claim), POINTER(c_void_p)]),
    "begun": (c_int, [c_void_p]),
    "check": (c_bool, [c_void_p]),
    "get_state": (c_int, [c_void_p, POINTER(State)]),
    "get_details": (c_int, [c_void_p, POINTER(Details)]),
    "fd": (c_int, [c_void_p]),
    "poll": (c_int, [c_void_p]),
    "on_change": (c_int, [c_void_p, Changed, c_void_p]),
    "release": (None, [c_void_p]),
    "why_name": (c_char_p, [c_uint32]),
    "why_words": (c_char_p, [c_uint32]),
    "why_action": (c_char_p, [c_uint32]),
}


class Library:
    """libmooring's functions, without their prefix."""

    def __init__(self):
        # The one that the wheel carries; else the system's, as a distribution packages it. No variable chooses it.
        mine = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libmooring.so.1")
        name = mine if os.path.exists(mine) else "libmooring.so.1"
        try:
            library = ctypes.CDLL(name)
        except OSError as e:
            raise ImportError(
                f"the C library of Mooring cannot be loaded: {e}. A wheel carries it (client/python/make); without one install libmooring.so.1"
            ) from None
        if not hasattr(library, f"mooring_abi_{ABI}"):
            raise ImportError(f"{name} has another interface than this package needs (mooring_abi_{ABI})")
        for function, (result, arguments) in _FUNCTIONS.items():
            f = getattr(library, f"mooring_{function}")
            f.restype, f.argtypes = result, arguments
            setattr(self, function, f)


def filled(kind):
    """A structure that says its size."""
    s = kind()
    s.size = ctypes.sizeof(kind)
    return s


def encoded(field, value):
    """Text for C; NULL for None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{field}: expected str, not {type(value).__name__}")
    data = value.encode("utf-8", "strict")
    if b"\0" in data:
        raise ValueError(f"{field}: expected text without a zero character")
    return data


def milliseconds(field, seconds):
    """A time to wait, for C: None is 0, which there means not at all; infinite is for ever."""
    if seconds is None:
        return 0
    if not seconds >= 0:
        raise ValueError(f"{field} {seconds!r}: expected seconds, 0 or more")
    if seconds > 10 * 365 * 86400:
        return -1
    # A wait of nothing is still one: 0 would mean 20 s for an answer.
    return max(1, int(seconds * 1000))


def unix_ms(field, when):
    """A date with its time zone, in milliseconds since 1970."""
    if not isinstance(when, datetime.datetime):
        raise TypeError(f"{field}: expected datetime, not {type(when).__name__}")
    if when.tzinfo is None:
        raise ValueError(f"{field} {when!r}: expected a time zone, such as datetime.timezone.utc")
    return (when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(milliseconds=1)


def clock(now, first):
    """The clocks that a date is judged by; None for this machine's."""
    if now is None:
        if first is not None:
            raise ValueError("first: expected now, too")
        return None
    c = filled(Clock)
    c.now_ms = unix_ms("now", now)
    if first is not None:
        issued_at, ago = first
        c.first_issued_ms = unix_ms("first", issued_at)
        c.first_ago_ms = milliseconds("first", ago)
    return byref(c)


def key_bytes(keys):
    """The vendor's keys, one after another."""
    if isinstance(keys, (str, bytes)):
        raise TypeError("vendor_keys: expected a list of keys, not one key alone")
    data = b""
    for k in keys:
        try:
            one = bytes.fromhex(k) if isinstance(k, str) else bytes(k)
        except ValueError:
            one = b""
        if len(one) != 32:
            raise ValueError(f"vendor_keys {k!r}: expected 64 hexadecimal digits, or 32 bytes")
        data += one
    return data


def options(vendor_keys, app_version, built_on, socket, min_anchor, allow_unverified_start):
    """What an application says of itself. The bytes that it points to hang on it."""
    data = key_bytes(vendor_keys)
    o = filled(Opts)
    o._keys = (c_ubyte * len(data)).from_buffer_copy(data) if data else None
    o.vendor_keys_len = len(data) // 32
    o.vendor_keys = ctypes.cast(o._keys, c_void_p) if data else None
    o.app_version = encoded("app_version", app_version)
    o.built_on = encoded("built_on", built_on if built_on is None or isinstance(built_on, str) else built_on.isoformat())
    o.socket = encoded("socket", None if socket is None else os.fspath(socket))
    if min_anchor not in ("any", "hardware"):
        raise ValueError(f"min_anchor {min_anchor!r}: expected 'any' or 'hardware'")
    o.min_anchor = int(min_anchor == "hardware")
    if allow_unverified_start not in (False, True, "voucher"):
        raise ValueError(f"allow_unverified_start {allow_unverified_start!r}: expected False, True or 'voucher'")
    o.allow_unverified_start = 2 if allow_unverified_start == "voucher" else int(allow_unverified_start)
    return o


lib = Library()
__all__ = ["byref", "lib"]
