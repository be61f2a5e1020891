"""SQL of what was billed, on both databases: the revenue by offer, and recurring amounts.

The monthly recurring revenue (MRR) of a day is the net amount of the periods that contain it, a
yearly one divided by twelve, discounts deducted.
"""


def json_key(column: str, name: str, dialect: str) -> str:
    """SQL for a key of a row in a JSON column, null without one."""
    if dialect == "sqlite":
        return f"json_extract({column}, '$.{name}')"
    return f"CAST({column} ->> '{name}' AS BIGINT)"


def revenue(in_range: str, replaced_in_range: str, dialect: str) -> str:
    """A subquery of amounts, line by line because the lines of one invoice may be of several
    offers: `document_id`, `invoice_id` (null for what isn't an invoice of its own), `issued_on`,
    `account_id`, `price_id`, `net` and `vat`. Credit notes count negatively. A corrective invoice
    replaces what credit notes had left of its original, on the day of its issue.

    `in_range` is a condition on `invoice.issued_on`, `replaced_in_range` the same one on
    `corrective.issued_on`; the latter is used twice, after the former.
    """
    exact = "REAL" if dialect == "sqlite" else "NUMERIC"  # in which a product of amounts is divided
    vat_until = f"ROUND(CAST(vat AS {exact}) * net_until / NULLIF(whole_net, 0))"
    vat_before = f"ROUND(CAST(vat AS {exact}) * (net_until - net) / NULLIF(whole_net, 0))"
    prices = ", ".join(
        json_key(column, "price", dialect) for column in ("item.data", "credited.data")
    )
    return f"""(
        WITH document AS (
            SELECT id, issued_on, CASE type WHEN 381 THEN -1 ELSE 1 END AS sign,
                CASE type WHEN 381 THEN NULL ELSE id END AS invoice_id
            FROM invoice WHERE {in_range}
            UNION ALL
            SELECT corrective.original_id, corrective.issued_on, -1, NULL
            FROM invoice AS corrective WHERE corrective.type = 384 AND {replaced_in_range}
            UNION ALL
            SELECT note.id, corrective.issued_on, 1, NULL
            FROM invoice AS corrective JOIN invoice AS note ON note.type = 381
                AND note.original_id = corrective.original_id
            WHERE corrective.type = 384 AND {replaced_in_range}
        ), part AS (
            SELECT document.issued_on, document.sign, document.invoice_id, line.position,
                original.account_id, line.net_cents AS net,
                original.vat_cents AS vat, original.net_cents AS whole_net,
                SUM(line.net_cents) OVER (PARTITION BY document.id, document.sign,
                    document.issued_on, document.invoice_id ORDER BY line.position) AS net_until,
                COALESCE({prices}, (
                    SELECT MIN({json_key("first.data", "price", dialect)})
                    FROM billing_item AS first
                    JOIN invoice_line ON invoice_line.id = first.invoice_line_id
                    WHERE invoice_line.invoice_id = original.original_id
                ), purchase.price_id) AS price_id
            FROM document JOIN invoice AS original ON original.id = document.id
            JOIN invoice_line AS line ON line.invoice_id = original.id
            JOIN purchase ON purchase.id = original.purchase_id
            LEFT JOIN billing_item AS item ON item.invoice_line_id = line.id
            LEFT JOIN billing_item AS credited
                ON credited.invoice_line_id = {json_key("item.data", "line", dialect)}
        )
        SELECT issued_on, invoice_id, account_id, price_id, sign * net AS net,
            CAST(sign * COALESCE(
                {vat_until} - {vat_before}, CASE position WHEN 1 THEN vat ELSE 0 END
            ) AS BIGINT) AS vat
        FROM part
    )"""  # noqa: S608 - made of our own names only


def yearly_cents(dialect: str) -> str:
    """SQL for what items cost in a year, so that months and years are added without rounding. A
    proration, which credits one price and charges another for the rest of a period, counts with the
    whole prices and discounts.
    """
    return (
        "SUM(item.quantity * CASE item.kind WHEN 'PRORATION' THEN price.net_cents "
        f"ELSE COALESCE({json_key('item.data', 'whole_cents', dialect)}, item.unit_net_cents) END "
        "* CASE price.interval WHEN 'YEAR' THEN 1 ELSE 12 END)"
    )


def recurring_items(dialect: str) -> str:
    """SQL for the items of periods, with the price that each bills or discounts."""
    return (
        f"billing_item AS item JOIN price ON price.id = {json_key('item.data', 'price', dialect)}"
    )


# That an item was billed for a period, and no corrective invoice has replaced its invoice.
IS_BILLED = (
    "item.kind IN ('CYCLE', 'PRORATION', 'DISCOUNT') AND item.invoice_line_id IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM invoice_line AS own JOIN invoice AS corrective "
    "ON corrective.original_id = own.invoice_id AND corrective.type = 384 "
    "WHERE own.id = item.invoice_line_id)"
)
