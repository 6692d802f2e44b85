"""Fills a fresh Tryton: a company, a supplier, another one, two products, orders, and a key for the REST of a user application.

Run by Tryton's own Python: tryton_seed.py CONFIGURATION ORDERS KEYFILE
"""

import json
import sys
from decimal import Decimal
from pathlib import Path

from proteus import Model, config
from trytond.modules.account.tests.tools import create_chart, get_accounts
from trytond.modules.company.tests.tools import create_company, get_company


def main(configuration: str, orders: int, keys: Path) -> None:
    config.set_trytond(database="sqlite:///erp", user="admin", config_file=configuration)
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


main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
