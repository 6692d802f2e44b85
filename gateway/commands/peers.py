"""`crossdock simulate …`: pretend peers as processes of their own.

Knows only what is asked for; simulate.py does it.
"""

from pathlib import Path
from typing import Annotated

import typer

simulate = typer.Typer(
    help="Pretend peers as processes of their own: an ERP, a partner; a customer, a 3PL, a carrier that live through trade.", no_args_is_help=True
)


@simulate.command("erp")
def simulate_erp(
    port: Annotated[int, typer.Option(help="0 takes a free port and tells which.")] = 8090,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    chaos: Annotated[int | None, typer.Option(metavar="SEED", help="It misbehaves at random; the same seed gives the same faults.")] = None,
    often: Annotated[float, typer.Option(min=0, max=1, help="With --chaos: of requests, how many meet a fault.")] = 0.3,
    staged: Annotated[
        float | None, typer.Option(min=0, max=3600, metavar="SECONDS", help="It only takes events in (202), and is done with each so much later.")
    ] = None,
) -> None:
    """A pretend ERP that keeps a ledger of effects and misbehaves when told to (POST /behave), or by chance (--chaos)."""
    from gateway.commands.simulate import erp
    from gateway.simulators.chaos import Chaos

    raise typer.Exit(erp(host, port, None if chaos is None else Chaos(chaos, often), staged))


@simulate.command("partner")
def simulate_partner(
    name: str,
    files: Annotated[list[Path] | None, typer.Argument(help="Files to send, in order.")] = None,
    token: Annotated[str, typer.Option(envvar="CROSSDOCK_PARTNER_TOKEN", help="Its bearer token.")] = "",
    url: Annotated[str, typer.Option(help="The gateway's partner listener.")] = "http://127.0.0.1:8080",
    wait: Annotated[float, typer.Option(help="Seconds to go on picking up what comes back.")] = 5.0,
) -> None:
    """A pretend partner: sends files as a real one would, then picks its acknowledgments up."""
    from gateway.commands.simulate import partner

    raise typer.Exit(partner(name, token, url, list(files or []), wait))


def _simulated(role: str, says: str, known_as: str) -> None:
    """A command of its own for each role; all have the same options."""

    def act(
        name: Annotated[str, typer.Argument(help="Its name: the partner's, and its login by SFTP.")] = known_as,
        url: Annotated[
            str, typer.Option(help="The gateway: http://… for HTTP, sftp://HOST:PORT for SFTP, …/as2 with --as2 for AS2.")
        ] = "http://127.0.0.1:8080",
        token: Annotated[str, typer.Option(envvar="CROSSDOCK_PARTNER_TOKEN", help="HTTP: its bearer token.")] = "",
        key: Annotated[Path | None, typer.Option(help="SFTP: its private key. AS2: a PEM file with its key and certificate.")] = None,
        host_key: Annotated[str, typer.Option(help="SFTP: the gateway's host key or its fingerprint.")] = "",
        as2: Annotated[str, typer.Option(metavar="NAME", help="AS2: its AS2 name.")] = "",
        certificate: Annotated[Path | None, typer.Option(help="AS2: the gateway's certificate.")] = None,
        stale_key: Annotated[Path | None, typer.Option(help="AS2, fault stale-certificate: its key and certificate of before (PEM).")] = None,
        retired_certificate: Annotated[Path | None, typer.Option(help="AS2, fault stale-certificate: the gateway's certificate of before.")] = None,
        listen: Annotated[int, typer.Option(help="AS2: the port where it takes our messages; 0 takes a free one.")] = 0,
        seed: Annotated[int, typer.Option(help="Partners with one seed speak of the same orders.")] = 1,
        orders: Annotated[int, typer.Option(min=0, max=9_999, help="Of how many orders it speaks by itself.")] = 5,
        fault: Annotated[list[str] | None, typer.Option(help=f"Faults of the trade: {', '.join(SIMULATED_FAULTS)}; more than once.")] = None,
        often: Annotated[float, typer.Option(min=0, max=1, help="How many of its files have each fault.")] = 0.3,
        bill: Annotated[bool, typer.Option("--bill", help="A carrier's 210s, too.")] = False,
        order_set: Annotated[str | None, typer.Option("--with", metavar="SET", help="By what a customer orders: 940 (without it) or 850.")] = None,
        isa: Annotated[str | None, typer.Option(metavar="QUALIFIER:ID", help="Its identity in the ISA; default: the shipped profile's.")] = None,
        at_once: Annotated[int, typer.Option(min=1, max=64, help="Of how many orders it sends side by side, each in its order.")] = 1,
        pace: Annotated[float, typer.Option(min=0, help="Seconds between its files.")] = 0.0,
        wait: Annotated[float, typer.Option(min=0, help="Seconds to go on answering what comes.")] = 5.0,
    ) -> None:
        from gateway.commands.simulate import Line, trade

        line = Line(url, token, key, host_key, as2, certificate, listen, stale_key, retired_certificate)
        code = trade(
            role, name, line, isa=isa, seed=seed, orders=orders, faults=fault or [], often=often, bill=bill, order_set=order_set,
            at_once=at_once, pace=pace, wait=wait,
        )  # fmt: skip
        raise typer.Exit(code)

    simulate.command(role, help=f"A pretend {role} that lives: {says}. It answers what it gets.")(act)


SIMULATED_FAULTS = ("late", "short", "unknown-item", "doubled", "out-of-order", "wrong-parents", "stale-certificate", "no-997")
for _role, _says, _name in (
    ("customer", "orders by 940, or by 850", "harbor"),
    ("3pl", "ships orders and says so by 945, also those that we send it", "lake3pl"),
    ("carrier", "announces shipments by 856 and tells by 214 where they are", "northway"),
):
    _simulated(_role, _says, _name)
