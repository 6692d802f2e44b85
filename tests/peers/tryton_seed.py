"""Fills a fresh Tryton: a company, a supplier, another one, two products, orders, customers' shipments that wait, and a key for the REST of a user application.

Run by Tryton's own Python: tryton_seed.py DATABASE-URI CONFIGURATION ORDERS KEYFILE
"""

import json
import sys
from decimal import Decimal
from pathlib import Path

from proteus import Model, config
from trytond.modules.account.tests.tools import create_chart, get_accounts
from trytond.modules.company.tests.tools import create_company, get_company


def main(database: str, configuration: str, orders: int, keys: Path) -> None:
    config.set_trytond(database=database, user="admin", config_file=configuration)
    create_company()
    company = get_company()
    create_chart(company)
    accounts = get_accounts(company)
    category = Model.get("product.category")(name="Goods", accounting=True)
    category.account_expense, category.account_revenue = accounts["expense"], accounts["revenue"]
    category.save()
    (unit,) = Model.get("product.uom").find([("symbol", "=", "u")])
    products = [_product(code, unit, category) for code in ("WIDGET", "GADGET")]
    for supplier, number in (("NORTHWAY", orders), ("LAKE", 2)):
        party = Model.get("party.party")(name=supplier.title(), code=supplier)
        party.save()
        made = [_order(party, ((products[0], 120), (products[1], 30))) for _ in range(number)]
        for act in ("quote", "confirm", "process"):
            Model.get("purchase.purchase").click(made, act)
    customer = Model.get("party.party")(name="City Hardware", code="CITY")
    customer.addresses[0].street = "9 Dock Street"
    customer.save()
    waiting = [_shipment(company, customer, unit, ((products[0], 20), (products[1], 5))) for _ in range(orders)]
    Model.get("stock.shipment.out").click(waiting, "wait")
    key = Model.get("res.user.application")(application="rest")
    (key.user,) = Model.get("res.user").find([("login", "=", "admin")])
    key.save()
    keys.write_text(json.dumps({"key": key.key}))


def _product(code, unit, category):
    template = Model.get("product.template")(name=code.title(), default_uom=unit, type="goods", purchasable=True)
    template.list_price, template.account_category = Decimal(2), category
    (product,) = template.products
    product.suffix_code, product.cost_price = code, Decimal(1)
    template.save()
    (product,) = template.products
    return product


def _order(party, lines):
    order = Model.get("purchase.purchase")(party=party, invoice_method="manual")
    for product, quantity in lines:
        line = order.lines.new()
        line.product, line.quantity, line.unit_price = product, quantity, Decimal(1)
    order.save()
    return order


def _shipment(company, customer, unit, lines):
    (warehouse,) = Model.get("stock.location").find([("type", "=", "warehouse")])
    (there,) = Model.get("stock.location").find([("type", "=", "customer")])
    shipment = Model.get("stock.shipment.out")(customer=customer, delivery_address=customer.addresses[0], warehouse=warehouse)
    for product, quantity in lines:
        move = shipment.outgoing_moves.new()
        move.product, move.unit, move.quantity = product, unit, quantity
        move.from_location, move.to_location = warehouse.output_location, there
        move.company, move.currency, move.unit_price = company, company.currency, Decimal(2)
    shipment.save()
    return shipment


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
