"""asyncssh as a partner's client, in a process of its own: HOST PORT USER KEY FOLDER. Uploads, resumes nothing, fetches what waits, prints names."""

import asyncio
import sys
from pathlib import Path

import asyncssh


async def main(host: str, port: str, user: str, key: str, folder: str) -> None:
    here = Path(folder)
    options = {"username": user, "client_keys": [key], "known_hosts": None}
    async with asyncssh.connect(host, int(port), **options) as connection, connection.start_sftp_client() as sftp:
        await sftp.put(here / "small.edi", "in/small.edi", preserve=True)
        await sftp.put(here / "large.csv", "in/large.csv.part")
        await sftp.rename("in/large.csv.part", "in/large.csv")
        assert (await sftp.stat("in/large.csv")).size == (here / "large.csv").stat().st_size
        while True:
            names = [name for name in await sftp.listdir("out") if name not in (".", "..")]
            if names:
                break
            await asyncio.sleep(0.1)
        for name in names:
            await sftp.get(f"out/{name}", here / name)
            print(name)


asyncio.run(main(*sys.argv[1:]))
