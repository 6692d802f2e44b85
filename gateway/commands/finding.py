"""`crossdock messages`, `find`, `shipment`, `order` and `stock`: searching by any reference and time, and how things stand."""

from typing import Annotated

import typer

from gateway.commands import asking
from gateway.commands.options import Config, Data, Json, OnlyPartner

Since = Annotated[str | None, typer.Option(help="From then on: 2026-11-30, 2026-11-30T08:00 (UTC), or a span back from now such as 24h.")]
Until = Annotated[str | None, typer.Option(help="Before then, written alike.")]
After = Annotated[str | None, typer.Option(help="The page behind: `after` of the last row, as --json shows it.")]


def messages(
    partner: OnlyPartner = None,
    state: Annotated[str | None, typer.Option(help="received, translated, duplicate, held, skipped.")] = None,
    since: Since = None,
    until: Until = None,
    file_name: Annotated[str | None, typer.Option(help="Only those whose file is called so.")] = None,
    before: Annotated[str | None, typer.Option(help="The page behind: the last id of the page before.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    sent: Annotated[bool, typer.Option("--sent", help="What we sent, in place of what we received.")] = False,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The latest messages and what they became; with --sent what we sent."""
    given = {
        "partner": partner,
        "state": state,
        "since": since,
        "until": until,
        "file_name": file_name,
        "before": before,
        "limit": limit,
        "sent": sent,
    }
    asking.run("messages", given, config, data_dir, as_json)


def find(
    value: Annotated[str, typer.Argument(help="A reference; or how one begins, four characters at least, with * behind it.")],
    type_: Annotated[str | None, typer.Option("--type", help="Only references of this type: purchase_order, pro, sscc, control …")] = None,
    partner: OnlyPartner = None,
    set_id: Annotated[str | None, typer.Option("--set", help="Only documents of this set, such as 214.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    after: After = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Find documents by any reference: PO, BOL, PRO, SSCC, shipment, control number."""
    given = {"value": value, "type": type_, "partner": partner, "set": set_id, "since": since, "until": until, "limit": limit, "after": after}
    asking.run("find", given, config, data_dir, as_json)


def shipment(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A shipment's number, or any reference of it.")],
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """How a shipment stands: its latest milestone, and when it is expected."""
    asking.run("shipment", {"id": wanted}, config, data_dir, as_json)


def order(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="An order's number, or any reference of it.")],
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """How an order stands."""
    asking.run("order", {"id": wanted}, config, data_dir, as_json)


def stock(
    item: Annotated[str | None, typer.Option(help="Only this item's, by its number as the partner writes it.")] = None,
    location: Annotated[str | None, typer.Option(help="Only what lies there.")] = None,
    partner: OnlyPartner = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    after: After = None,
    data_dir: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """How much stock there is: the latest count of each item, with what was changed since."""
    asking.run("stock", {"item": item, "location": location, "partner": partner, "limit": limit, "after": after}, config, data_dir, as_json)
