"""Payment by SEPA bank transfer: references, statements of the vendor's bank account, and matching
their lines with invoices.

`reference` makes and finds ISO 11649 references, `camt` and `csv_file` read statements, `importing`
stores their lines once, `matching` turns lines into payments, and `transfer` is what a buyer is
asked to pay. The readers know nothing of the database.
"""
