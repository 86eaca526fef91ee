"""Obeys commands from stdin as client/c/tests/runner.c does, which says more."""

import datetime
import os
import sys

import mooring

m = None
seats = {}
heard = {}


def options(w):
    keys = [w[0][i : i + 64] for i in range(0, len(w[0]), 64)] if w[0] else []
    return {"vendor_keys": keys, "app_version": w[1], "built_on": w[2], "min_anchor": "hardware" if w[4] else "any"}


def line(*words):
    return "\t".join(str(w) for w in words)


def proof(p):
    return line(
        "ok", p.lease, p.seats, int(p.run_for), int(p.fresh), p.anchor, int(p.software), p.overdraft, int(p.test), int(p.emergency), p.license_id, p.issued_at,
    )


def date(ms):
    return ms and datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(milliseconds=int(ms))


def state(seat):
    s = seat.state
    return line(s.standing, s.why or "", int(s.remaining * 1000))


def listen(slot):
    heard[slot] = ""

    def f(s):
        heard[slot] += f"{('unlicensed', 'licensed', 'ending').index(s.standing)}{s.why or ''} "

    seats[slot].on_change(f)


def hold(w):
    slot, kind, product, count, wait, name, thread = w[:7]
    wait = int(wait) / 1000 if wait else None
    asked = {"seats": int(count), "wait": wait, "thread": bool(thread)}
    if kind == "own":
        seats[slot] = m.hold(product, **asked)
    elif kind == "pod":
        seats[slot] = m.pod(product, **asked)
    else:
        seats[slot] = m.named(name, product, **asked)


def check(seat):
    try:
        seat.check()
    except mooring.Unlicensed as e:
        assert e.why and e.action, e
        return "no"
    return "yes"


def fork(seat):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        print(state(seat), flush=True)
        seat.release()
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        print("the child failed")


def obey(command, w):
    global m
    seat = seats.get(w[0])
    if command == "connect":
        o = options(w)
        m = mooring.connect(socket=w[3], allow_unverified_start=bool(w[5]), **o)
    elif command == "hold":
        hold(w)
    elif command == "state":
        return state(seat)
    elif command == "check":
        return check(seat)
    elif command == "proof":
        p = seat.details.proof
        return proof(p) if p else "none"
    elif command == "claim":
        return seat.details.claim
    elif command == "prove":
        return proof(m.prove(w[0]))
    elif command == "listen":
        listen(w[0])
    elif command == "heard":
        return heard[w[0]]
    elif command == "wait":
        return state(seat) if seat.wait(int(w[1]) / 1000) else line("error", "Again", "not yet")
    elif command == "put":
        if not m.put_claim(w[0], {w[1]: int(w[2])}, int(w[3]) / 1000):
            return line("error", "Again", "not yet")
    elif command == "delete":
        m.delete_claim(w[0])
    elif command == "release":
        seats.pop(w[0]).release()
    elif command == "fork":
        return fork(seat)
    elif command == "threads":
        return len(os.listdir("/proc/self/task"))
    elif command == "verify":
        first = (date(w[10]), int(w[11]) / 1000) if w[10] else None
        return proof(mooring.verify(w[8], w[6], nonce=w[7], bind=w[12], now=date(w[9]), first=first, **options(w)))
    else:
        return f"unknown command {command}"
    return "ok"


for text in sys.stdin:
    words = [w or None for w in text.rstrip("\n").split("\t")]
    try:
        said = obey(words[0], words[1:] + [None] * 16)
    except mooring.Error as e:
        said = line("error", e.reason, e)
    if said is not None:
        print(said, flush=True)
