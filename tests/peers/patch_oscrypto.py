"""Mends oscrypto 1.3.0, which cannot read the version of an OpenSSL with two digits in a part (3.0.19). Run once, in the peer's own environment."""

import sysconfig
from pathlib import Path

WRONG, RIGHT = r"'\\b(\\d\\.\\d\\.\\d[a-z]*)\\b'", r"'\\b(\\d+\\.\\d+\\.\\d+[a-z]*)\\b'"


def main() -> None:
    folder = Path(sysconfig.get_paths()["purelib"]) / "oscrypto" / "_openssl"
    for name in ("_libcrypto_cffi.py", "_libcrypto_ctypes.py"):
        file = folder / name
        file.write_text(file.read_text(encoding="utf-8").replace(WRONG, RIGHT), encoding="utf-8")


if __name__ == "__main__":
    main()
