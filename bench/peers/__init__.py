"""Other servers that execute the same operations on the same tables, with the same responses as
CAMCHA.
"""
