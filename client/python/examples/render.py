"""A renderer that takes two seats, works as long as it is licensed, and saves in time.

MOORING_SOCKET=/run/mooring/mooring.sock python3 render.py 100
"""

import sys
import time

import mooring

# The vendor's public key: the only source of trust. Written here, never read from the environment or a file.
VENDOR = ["8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"]


def changed(state: mooring.State) -> None:
    """Called when the state changes; here from check(), because no thread was asked for."""
    if state.standing == "licensed":
        print("licensed", flush=True)
    elif state.standing == "ending":
        print(f"saving: {state.why}, {state.remaining:.0f} s left", flush=True)


def main(frames: int) -> None:
    with mooring.connect(vendor_keys=VENDOR, app_version="2026.1", built_on="2026-03-01") as m:
        with m.hold("render", seats=2, wait=60) as seat:
            seat.on_change(changed)
            for frame in range(1, frames + 1):
                seat.check()  # raises mooring.Unlicensed
                time.sleep(0.01)  # render
                print(f"frame {frame}", flush=True)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    except mooring.Unlicensed as e:
        print(f"stopping: {e.why}; {e.action}", flush=True)
        sys.exit(1)
    except mooring.Error as e:
        print(e, file=sys.stderr)
        sys.exit(2)
