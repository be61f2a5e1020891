"""Viewer and arguments in, rows out. The enums are described first, for inputs and arguments name them."""

from resolvers import enums as enums
