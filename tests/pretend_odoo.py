"""A pretend Odoo 19: the JSON-2 API over the few models that a receipt needs, with Odoo's own habits where they matter to whoever repeats a request.

Source: Odoo's documentation "External JSON-2 API" (19.0) for addresses, headers, statuses and the error object; its public source of `addons/rpc` and
`addons/stock` for what a call does: a validated receipt is passed over without a word, a back-order is a copy that inherits the origin, a validation that
would need a person's answer returns an action with status 200 and does nothing, each call is one transaction. Not verified against a running Odoo.
"""

import asyncio
import contextlib
import copy
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

KEY = "6578616d706c65206a736f6e20617069206b6579"
OPEN = ("confirmed", "waiting", "partially_available", "assigned")


class OdooError(Exception):
    """As Odoo tells it."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


def user_error(message: str) -> OdooError:
    return OdooError(422, "odoo.exceptions.UserError", message)


FIELDS = {
    "stock.picking": {"id", "name", "state", "origin", "picking_type_id", "backorder_id", "move_ids", "purchase_id"},
    "stock.move": {"id", "picking_id", "product_id", "product_uom", "product_uom_qty", "quantity", "picked", "state", "purchase_line_id"},
    "product.product": {"id", "name", "default_code"},
    "uom.uom": {"id", "name"},
    "purchase.order": {"id", "name", "partner_id"},
    "purchase.order.line": {"id", "order_id", "product_id"},
    "res.partner": {"id", "name", "ref"},
    "stock.picking.type": {"id", "name", "code"},
}
RELATED = {
    "picking_id": "stock.picking", "product_id": "product.product", "product_uom": "uom.uom", "order_id": "purchase.order", "partner_id": "res.partner",
    "purchase_line_id": "purchase.order.line", "picking_type_id": "stock.picking.type", "backorder_id": "stock.picking",
}  # fmt: skip


class PretendOdoo:
    def __init__(self, *, ask_for_backorders: bool = True, reports: bool = False) -> None:
        """`ask_for_backorders`: the operation type's setting. `reports`: something that answers every validation with a question."""
        self.records: dict[str, dict[int, dict[str, Any]]] = {model: {} for model in FIELDS}
        self.stock: dict[str, float] = {}
        """What lies in the warehouse: product code -> quantity."""
        self.asked: list[tuple[str, str, Any]] = []
        self.validations = 0
        self.dead = False
        self.cut_after_commit = 0
        """Requests that change something and whose answer is not sent."""
        self.refuses = False
        self._ask, self._reports = ask_for_backorders, reports
        self._add("stock.picking.type", name="Receipts", code="incoming")
        self._add("uom.uom", name="Units")

    # ---- what is there

    def _add(self, model: str, **values: Any) -> int:
        assert set(values) <= FIELDS[model], set(values) - FIELDS[model]
        key = len(self.records[model]) + 1
        self.records[model][key] = {"id": key, **values}
        return key

    def order(self, name: str, *lines: tuple[str, float], supplier: str = "NORTHWAY", receipts: int = 1) -> None:
        """A confirmed purchase order with its receipt (or several); lines are (product code, quantity)."""
        partner = next((key for key, one in self.records["res.partner"].items() if one["ref"] == supplier), None)
        partner = partner or self._add("res.partner", name=supplier.title(), ref=supplier)
        order = self._add("purchase.order", name=name, partner_id=partner)
        pickings = [self._picking(name) for _ in range(receipts)]
        for number, (code, quantity) in enumerate(lines):
            product = next((key for key, one in self.records["product.product"].items() if one["default_code"] == code), None)
            product = product or self._add("product.product", name=code.title(), default_code=code)
            line = self._add("purchase.order.line", order_id=order, product_id=product)
            self._move(pickings[number % receipts], product, quantity, line)

    def _picking(self, origin: str, backorder: int | None = None) -> int:
        key = self._add("stock.picking", state="assigned", origin=origin, picking_type_id=1, backorder_id=backorder)
        self.records["stock.picking"][key]["name"] = f"WH/IN/{key:05d}"
        return key

    def _move(self, picking: int, product: int, quantity: float, line: int) -> int:
        return self._add(
            "stock.move", picking_id=picking, product_id=product, product_uom=1, product_uom_qty=quantity, quantity=quantity, picked=False,
            state="assigned", purchase_line_id=line,
        )  # fmt: skip

    def moves(self, order: str) -> list[tuple[str, float, str, str]]:
        """(product code, quantity, state, the receipt's origin) of an order's moves, in the order they were made."""
        found = []
        for move in self.records["stock.move"].values():
            if self._value("stock.move", move, "purchase_line_id.order_id.name") == order:
                quantity = move["quantity"] if move["state"] == "done" else move["product_uom_qty"]
                found.append(
                    (
                        self._value("stock.move", move, "product_id.default_code"),
                        quantity,
                        move["state"],
                        self._value("stock.move", move, "picking_id.origin"),
                    )
                )
        return found

    # ---- the API

    def app(self) -> web.Application:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self.take)
        return app

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.dead:
            return _cut(request)
        kept = copy.deepcopy(self.records), dict(self.stock)
        try:
            value, changes = self._called(request, body)
        except OdooError as error:
            self.records, self.stock = kept
            told = {"name": error.name, "message": error.message, "arguments": [error.message], "context": {}, "debug": "Traceback …"}
            return web.json_response(told, status=error.status)
        if changes and self.cut_after_commit:
            self.cut_after_commit -= 1
            return _cut(request)
        return web.json_response(value)

    def _called(self, request: web.Request, body: bytes) -> tuple[Any, bool]:
        parts = request.path.strip("/").split("/")
        if parts[:2] != ["json", "2"] or len(parts) != 4 or request.method != "POST":
            raise OdooError(404, "werkzeug.exceptions.NotFound", "Did you mean POST /json/2/<model>/<method>?")
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key != KEY:
            raise OdooError(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
        if request.content_type != "application/json":
            raise OdooError(400, "werkzeug.exceptions.BadRequest", "State-changing requests must be JSON")
        given = json.loads(body)
        model, method = parts[2:]
        self.asked.append((model, method, given))
        if model not in self.records:
            raise OdooError(404, "werkzeug.exceptions.NotFound", f"the model {model!r} does not exist")
        call: Callable[..., Any] | None = {"search_read": self.search_read, "write": self.write, "button_validate": self.button_validate}.get(method)
        if call is None or (method == "button_validate" and model != "stock.picking"):
            raise OdooError(404, "werkzeug.exceptions.NotFound", f"The method '{model}.{method}' does not exist")
        ids, context = given.pop("ids", []), given.pop("context", {})
        if self.refuses and method == "write":
            raise user_error("You cannot receive on a closed period.")
        try:
            return call(model, ids, context, **given), method != "search_read"
        except TypeError as error:
            raise OdooError(422, "werkzeug.exceptions.UnprocessableEntity", str(error)) from None

    def search_read(
        self, model: str, ids: Any, context: Any, domain: Any = (), fields: Any = (), offset: int = 0, limit: Any = None, order: Any = None
    ) -> Any:
        found = [one for one in self.records[model].values() if self._holds(model, one, list(domain))]
        if order is not None and order not in FIELDS[model]:
            raise OdooError(500, "builtins.ValueError", f"Invalid field {model}.{order}")
        found = sorted(found, key=lambda one: one[order or "id"])[offset : None if limit is None else offset + limit]
        return [{name: self._shown(model, one, name) for name in {"id", *fields}} for one in found]

    def write(self, model: str, ids: Any, context: Any, vals: dict[str, Any]) -> bool:
        for key in ids:
            record = self._record(model, key)
            for name, value in vals.items():
                if name not in FIELDS[model]:
                    raise OdooError(500, "builtins.ValueError", f"Invalid field {name!r} in {model!r}")
                if name == "move_ids":
                    for command, move, values in value:
                        if command != 1 or self._record("stock.move", move)["picking_id"] != key:
                            raise user_error("The move belongs to another transfer.")
                        self.write("stock.move", [move], {}, values)
                else:
                    if model == "stock.move" and name == "quantity" and record["state"] == "done":
                        self._put(record, value - record["quantity"])  # Odoo lets what is done be corrected
                    record[name] = value
        return True

    def button_validate(self, model: str, ids: Any, context: dict[str, Any]) -> Any:
        for key in ids:
            picking = self._record(model, key)
            if picking["state"] == "done":
                continue
            self.validations += 1
            moves = [one for one in self.records["stock.move"].values() if one["picking_id"] == key and one["state"] in OPEN]
            if not moves:
                raise user_error("You can’t validate an empty transfer. Please add some products to move before proceeding.")
            if not any(one["picked"] for one in moves):
                for one in moves:
                    one["picked"] = True
            is_partial = any(not one["picked"] or one["quantity"] < one["product_uom_qty"] for one in moves)
            if self._reports or (is_partial and self._ask and not context.get("skip_backorder")):
                return {"name": "Create Backorder?", "type": "ir.actions.act_window", "res_model": "stock.backorder.confirmation", "target": "new"}
            self._done(picking, moves)
        return True

    def _done(self, picking: dict[str, Any], moves: list[dict[str, Any]]) -> None:
        rest = []
        for move in moves:
            taken = move["quantity"] if move["picked"] else 0
            if taken < move["product_uom_qty"]:
                rest.append((move, move["product_uom_qty"] - taken))
            if taken:
                self._put(move, taken)
                move |= {"state": "done", "product_uom_qty": taken}
        if rest:
            backorder = self._picking(picking["origin"], picking["id"])
            for move, quantity in rest:
                if move["state"] == "done":
                    self._move(backorder, move["product_id"], quantity, move["purchase_line_id"])
                else:
                    move |= {"picking_id": backorder, "picked": False}
        picking["state"] = "done"

    def _put(self, move: dict[str, Any], quantity: float) -> None:
        code = self._value("stock.move", move, "product_id.default_code")
        self.stock[code] = self.stock.get(code, 0) + quantity

    def _record(self, model: str, key: Any) -> dict[str, Any]:
        if key not in self.records[model]:
            raise OdooError(404, "odoo.exceptions.MissingError", f"Record does not exist or has been deleted. (Record: {model}({key},))")
        return self.records[model][key]

    # ---- domains and fields

    def _holds(self, model: str, record: dict[str, Any], domain: list[Any]) -> bool:
        """Polish notation: & and | take the two that follow; what stands side by side is all wanted."""

        def one() -> bool:
            term = domain.pop(0)
            if term in ("&", "|"):
                left, right = one(), one()
                return (left and right) if term == "&" else (left or right)
            if term == "!":
                return not one()
            return self._fits(model, record, *term)

        held = True
        while domain:
            held = one() and held
        return held

    def _fits(self, model: str, record: dict[str, Any], name: str, operator: str, wanted: Any) -> bool:
        value = self._value(model, record, name)
        if operator in ("=", "!="):
            return (value == wanted) == (operator == "=")
        if operator in ("in", "not in"):
            return (value in wanted) == (operator == "in")
        if operator == "=like":
            return isinstance(value, str) and (value.startswith(wanted[:-1]) if wanted.endswith("%") else value == wanted)
        raise OdooError(500, "builtins.ValueError", f"Invalid operator {operator!r}")

    def _value(self, model: str, record: dict[str, Any], name: str) -> Any:
        for part in name.split("."):
            if part not in FIELDS[model]:
                raise OdooError(500, "builtins.ValueError", f"Invalid field {model}.{part}")
            value = record.get(part)
            if value is None:
                return False
            if part in RELATED:
                model = RELATED[part]
                record, value = self.records[model][value], value
        return value

    def _shown(self, model: str, record: dict[str, Any], name: str) -> Any:
        value = self._value(model, record, name)
        if name in RELATED and value:
            there = self.records[RELATED[name]][value]
            return [value, there.get("name", str(value))]
        return value


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


@contextlib.asynccontextmanager
async def serving(odoo: PretendOdoo) -> AsyncIterator[str]:
    runner = web.AppRunner(odoo.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)
