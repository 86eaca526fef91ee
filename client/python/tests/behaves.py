"""What the package does beside what the three languages have in common; run by client/c/tests/python.rs.

$MOORING_SOCKET is a sidecar that grants whatever is asked, $MOORING_FULL one whose seats are all taken.
"""

import ast
import asyncio
import gc
import math
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

import mooring

KEY = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
FULL = os.environ["MOORING_FULL"]


def connect(**more):
    return mooring.connect(vendor_keys=[KEY], app_version="2026.1", built_on="2026-03-01", **more)


class Arguments(unittest.TestCase):
    def test_each_is_checked_and_named(self):
        def verify(**more):
            return mooring.verify("{}", "render", **{"vendor_keys": [KEY], **more})

        for call, kind, word in [
            (lambda: mooring.connect(vendor_keys=KEY), TypeError, "vendor_keys"),
            (lambda: mooring.connect(vendor_keys=["ab"]), ValueError, "vendor_keys 'ab'"),
            (lambda: mooring.connect(vendor_keys=["x" * 64]), ValueError, "hexadecimal"),
            (lambda: mooring.connect(vendor_keys=[]), mooring.Invalid, "vendor keys"),
            (lambda: connect(min_anchor="strong"), ValueError, "min_anchor"),
            (lambda: connect(socket="a\0b"), ValueError, "socket"),
            (lambda: connect(socket="/nowhere/s"), mooring.NoSidecar, "/nowhere/s"),
            (lambda: mooring.connect(vendor_keys=[KEY], app_version=2026), TypeError, "app_version"),
            (lambda: mooring.connect(vendor_keys=[KEY], built_on="soon"), mooring.Invalid, "built_on"),
            (lambda: connect().hold("Two Words"), mooring.Invalid, "product"),
            (lambda: connect().hold("render", seats=0), ValueError, "seats 0"),
            (lambda: connect().hold("render", wait=-1), ValueError, "wait -1"),
            (lambda: connect().hold("render", wait=math.nan), ValueError, "wait nan"),
            (lambda: connect().put_claim("x", {"render": 0}), ValueError, "items"),
            (lambda: verify(), mooring.Broken, "bundle"),
            (lambda: verify(built_on="1.1.2026"), mooring.Broken, "bundle"),
        ]:
            with self.assertRaises(kind) as raised:
                call()
            self.assertIn(word, str(raised.exception))

    def test_an_error_says_words_and_a_reason(self):
        with connect(socket=FULL) as m:
            with self.assertRaises(mooring.NotLicensed) as raised:
                m.hold("render")
        self.assertEqual(raised.exception.reason, "Waiting")
        self.assertIsInstance(raised.exception, mooring.Error)

    def test_a_python_of_3_8_can_read_it(self):
        for f in pathlib.Path(mooring.__file__).parent.glob("*.py"):
            ast.parse(f.read_text(), feature_version=(3, 8))

    def test_it_is_typed_and_documented(self):
        self.assertTrue((pathlib.Path(mooring.__file__).parent / "py.typed").exists())
        for name in mooring.__all__:
            self.assertTrue(getattr(mooring, name).__doc__, name)
        for kind in (mooring.Mooring, mooring.Seat):
            for name, member in vars(kind).items():
                self.assertTrue(name.startswith("_") or member.__doc__, name)


class Lives(unittest.TestCase):
    def test_a_seat_ends_with_its_block_its_last_name_or_its_connection(self):
        with connect() as m:
            with m.hold("render", seats=2) as seat:
                self.assertEqual(seat.state.standing, "licensed")
                self.assertIn("licensed", repr(seat))
                seat.check()
            with self.assertRaisesRegex(ValueError, "released"):
                seat.check()
            seat.release()
            forgotten = m.hold("render", seats=2)
            fd = forgotten.fileno()
            del forgotten
            gc.collect()
            with self.assertRaises(OSError):
                os.fstat(fd)
            kept = m.hold("render", seats=2)
        with self.assertRaisesRegex(ValueError, "released"):
            kept.is_licensed
        with self.assertRaisesRegex(ValueError, "closed"):
            m.status()

    def test_no_thread_but_the_one_that_is_asked_for(self):
        def threads():
            return len(os.listdir("/proc/self/task"))

        before = threads()
        with connect() as m:
            m1 = m.hold("render", seats=2)
            self.assertEqual(threads(), before)
            with m.hold("render", seats=2, thread=True) as seat:
                self.assertEqual(threads(), before + 1)
                heard, other = [], threading.Event()
                seat.on_change(lambda s: (heard.append((s.standing, threading.get_ident())), other.set()))
                self.assertTrue(other.wait(10))
                self.assertEqual(heard[0][0], "licensed")
                self.assertNotEqual(heard[0][1], threading.get_ident())
                self.assertFalse(seat.wait(0.05))
            m1.release()

    def test_what_a_callback_raises_changes_nothing(self):
        stderr, sys.stderr = sys.stderr, open(os.devnull, "w")
        try:
            with connect() as m, m.hold("render", seats=2) as seat:
                seat.on_change(lambda s: 1 / 0)
                seat.check()
        finally:
            sys.stderr.close()
            sys.stderr = stderr

    def test_a_callback_may_release_the_seat(self):
        with connect() as m:
            seat = m.hold("render", seats=2)
            seat.on_change(lambda s: seat.release())
            with self.assertRaisesRegex(ValueError, "released"):
                seat.check()

    def test_status_and_details(self):
        with connect() as m, m.hold("render", seats=2) as seat:
            self.assertTrue(m.status()["claims"])
            details = seat.details
            self.assertEqual((details.told, details.claim[:5], details.place), ("Held", "hold-", None))
            self.assertEqual((details.proof.seats, details.proof.anchor, details.proof.fresh), (2, "pkcs11", True))


class Waiting(unittest.TestCase):
    def test_ctrl_c_is_heard(self):
        # Who starts tests in the background has them ignore it.
        heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
        program = f"{heard}\nimport mooring\nprint('waits', flush=True)\nmooring.connect(vendor_keys=['{KEY}']).hold('render', wait=60)"
        env = {**os.environ, "MOORING_SOCKET": FULL}
        app = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        app.stdout.readline()
        begun = time.monotonic()
        # Again, should it not have begun to wait.
        while app.poll() is None and time.monotonic() < begun + 20:
            app.send_signal(signal.SIGINT)
            time.sleep(0.2)
        self.assertIn(b"KeyboardInterrupt", app.communicate()[1])
        self.assertLess(time.monotonic(), begun + 20)

    def test_asyncio_runs_meanwhile_and_a_cancelled_task_gives_up(self):
        async def life():
            with connect(socket=FULL) as m:
                waiting = asyncio.ensure_future(m.hold_async("render", wait=60))
                for _ in range(10):
                    await asyncio.sleep(0.01)
                self.assertFalse(waiting.done())
                waiting.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await waiting
                with self.assertRaises(mooring.NotLicensed):
                    await m.hold_async("render", wait=0.1)
            with connect() as m:
                first, second = await asyncio.gather(m.hold_async("render", seats=2), m.hold_async("render", seats=2, thread=True))
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(first.changed(), 0.05)
                first.release()
                second.release()

        asyncio.run(life())


if __name__ == "__main__":
    unittest.main()
