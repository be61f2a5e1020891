"""What billing exports as files: the ledger for the tax office, a customer's movements as CSV, and
a year's invoices as ZIP. Each is produced in pieces, so that its size doesn't matter.
"""
