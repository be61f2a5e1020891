"""The people who can sign in to a demonstration. Their credentials are public; no other database
contains them.
"""

from dataclasses import dataclass, field
from datetime import datetime

import pyotp

from models.identity.user import Staff


@dataclass(frozen=True)
class Company:
    """A company of the demonstration."""

    legal_name: str
    siren: str
    street: str
    postal_code: str
    city: str


@dataclass(frozen=True)
class Person:
    """A person of the demonstration: a customer with a company, or a member of staff with a TOTP
    secret.
    """

    email: str
    name: str
    password: str = field(repr=False)
    company: Company | None = None
    staff: Staff | None = None
    totp_secret: str | None = field(default=None, repr=False)

    @property
    def role(self) -> str:
        return self.staff.value.lower() if self.staff else "customer"

    def code_at(self, at: datetime) -> str:
        """Return the one-time code at this time, or an empty string without a second factor."""
        return pyotp.TOTP(self.totp_secret).at(at) if self.totp_secret else ""


BAKERY = Company("Le Fournil d'Aubry", "999999998", "8 rue du Four", "35000", "Rennes")
PRINTER = Company("Imprimerie des Quais", "732829320", "41 quai de la Fosse", "44000", "Nantes")
FLORIST = Company("Fleurs du Canal", "999999907", "12 quai du Canal", "31000", "Toulouse")
GARAGE = Company("Garage Morel", "999999915", "3 route de Dijon", "21200", "Beaune")

CUSTOMER = Person("customer@camcha.example", "Camille Aubry", "brioche-lanterne-47-galet", BAKERY)
NEIGHBOUR = Person("neighbour@camcha.example", "Yann Le Goff", "rotative-mouette-82-encre", PRINTER)
# Their cards are declined: the one is suspended, the other is late.
SUSPENDED = Person("suspended@camcha.example", "Nadia Benali", "pivoine-canal-63-ruban", FLORIST)
LATE = Person("late@camcha.example", "Thomas Morel", "bielle-vigne-28-tonneau", GARAGE)
AGENT = Person(
    "agent@camcha.example",
    "Amadou Diop",
    "boussole-tilleul-36-nacre",
    None,
    Staff.AGENT,
    "TVXXAWLXVSR3U3PYG3G62Y4HVL6CPY7C",
)
SUPERVISOR = Person(
    "supervisor@camcha.example",
    "Inès Marchal",
    "verger-cobalt-59-tambour",
    None,
    Staff.SUPERVISOR,
    "QFDX2NXQK4LKD3OX3A5TCTYIPV4RTLPM",
)
ANALYST = Person(
    "analyst@camcha.example",
    "Hugo Perrin",
    "sextant-bruyere-71-quartz",
    None,
    Staff.ANALYST,
    "H5WQOAZR6SSZEQVXKX6DTYKRUDNZ4UEG",
)
OPERATOR = Person(
    "operator@camcha.example",
    "Léa Fontaine",
    "chaudron-safran-28-ecluse",
    None,
    Staff.OPERATOR,
    "3VZ5Q5OQBYJ4FN6I2TC5XM3KLRQGHWLE",
)


def people() -> list[Person]:
    """Return everyone who can sign in to a demonstration, customers first."""
    return [CUSTOMER, NEIGHBOUR, SUSPENDED, LATE, AGENT, SUPERVISOR, ANALYST, OPERATOR]
