#!/usr/bin/env python3
"""Packs the package and libmooring into a wheel: wheel.py PREFIX OUT, where PREFIX is what client/c/make made. Prints its path.

The wheel's platform is read off the library: the machine it is for, and the glibc whose symbols it needs, so that pip installs it where it runs
and nowhere else. Only the standard library is used, and the same input gives the same bytes.
"""

import base64
import hashlib
import os
import re
import struct
import subprocess
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
MACHINES = {62: "x86_64", 183: "aarch64"}


def platform(library):
    """Its tag, as `manylinux_2_17_x86_64` (PEP 600) or `musllinux_1_1_x86_64` (PEP 656)."""
    with open(library, "rb") as f:
        head = f.read(20)
    machine = MACHINES[struct.unpack_from("<H", head, 18)[0]]
    tables = subprocess.run(["objdump", "-p", "-T", library], check=True, capture_output=True, text=True).stdout
    if "libc.so.6" not in tables:
        return f"musllinux_1_1_{machine}"
    needed = [tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_(\d+\.\d+)", tables)]
    # Nothing older than 2.17 has Rust's standard library.
    major, minor = max([*needed, (2, 17)])
    return f"manylinux_{major}_{minor}_{machine}"


def version():
    with open(os.path.join(HERE, "../../Cargo.toml"), encoding="utf-8") as f:
        return re.search(r'^version = "(.*)"$', f.read(), re.M).group(1)


def main(prefix, out):
    library = os.path.join(prefix, "lib/libmooring.so.1")
    name, tag = f"mooring-{version()}", f"py3-none-{platform(library)}"
    info = f"{name}.dist-info"
    files = {}
    for f in sorted(os.listdir(os.path.join(HERE, "mooring"))):
        if f.endswith((".py", ".typed")):
            with open(os.path.join(HERE, "mooring", f), "rb") as opened:
                files[f"mooring/{f}"] = opened.read()
    with open(library, "rb") as f:
        files["mooring/libmooring.so.1"] = f.read()
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as f:
        readme = f.read()
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: mooring\nVersion: {version()}\nSummary: Floating licenses anchored to hardware: the client library\n"
        "License: Apache-2.0\nRequires-Python: >=3.8\nClassifier: Operating System :: POSIX :: Linux\nDescription-Content-Type: text/markdown\n\n" + readme
    ).encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: client/python/wheel.py\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    os.makedirs(out, exist_ok=True)
    wheel = os.path.join(out, f"{name}-{tag}.whl")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as z:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.endswith(".so.1") else 0o644) << 16
            z.writestr(entry, data)
    print(wheel)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
