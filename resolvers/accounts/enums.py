"""Enums of accounts."""

from accounts.legal_names import LegalNameDecision
from models.accounts.account import AccountStatus, Organization, Role
from models.accounts.intervention import InterventionReason
from models.accounts.legal_name import LegalNameStatus, RegistryVerdict
from models.accounts.vat_number import VatNumberStatus
from models.identity.user import Staff
from resolvers.descriptions import describe_enum

describe_enum(
    Organization,
    "The kind of a legal entity.",
    {
        "COMPANY": "A company, or anyone else in business.",
        "ASSOCIATION": "An association or another body without a share capital.",
    },
)


describe_enum(
    VatNumberStatus,
    "What is known about a VAT number.",
    {
        "PENDING": (
            "The tax authorities haven't answered yet and will be asked again. Until they answer, "
            "the company is invoiced as if it had no VAT number."
        ),
        "VALID": "The tax authorities confirmed the number.",
        "INVALID": (
            "The tax authorities don't know the number, or no longer do. The next invoices are "
            "those of a company without a VAT number. The authorities are asked again each day."
        ),
        "UNKNOWN": "The tax authorities aren't asked, because no service is configured.",
    },
)


describe_enum(
    LegalNameStatus,
    "The status of a change of legal name.",
    {
        "CHECKING": "The company register is being queried.",
        "EVIDENCE_NEEDED": "The company has to provide evidence, such as an extract from the "
        "company register (Kbis).",
        "IN_REVIEW": "An agent has to review the evidence.",
        "ACCEPTED": "The change was accepted, and the new legal name is in effect.",
        "REJECTED": "An agent rejected the change; see `reason`.",
        "CANCELED": "The company canceled the change.",
    },
)


describe_enum(
    RegistryVerdict,
    "The result of comparing a legal name with the company register.",
    {
        "MATCH": "The name is the registered one. Case, accents and punctuation are ignored.",
        "OTHER_NAME": "A different name is registered.",
        "CEASED": "The company is registered as closed.",
        "NOT_FOUND": "No company is registered under the SIREN, or its entry isn't public.",
        "UNKNOWN": "No register is configured.",
        "UNAVAILABLE": "The register didn't answer. The lookup will be repeated.",
    },
)


describe_enum(
    LegalNameDecision,
    "An agent's decision on a change of legal name.",
    {
        "ACCEPT": "The evidence proves the name.",
        "REJECT": "The evidence doesn't prove the name.",
        "REQUEST_EVIDENCE": "Other evidence is needed.",
    },
)


describe_enum(
    Role,
    "The role of a member in a company.",
    {
        "OWNER": "Can do everything. Every company has at least one owner.",
        "ADMIN": "Can do everything except transfer the ownership and manage owners.",
        "BILLING": "Can buy, pay, read invoices and contact support.",
        "MEMBER": "Can use what was bought and contact support.",
    },
)


describe_enum(
    AccountStatus,
    "The status of a company's account.",
    {
        "ACTIVE": "Members can use the account, once an owner has verified their email address "
        "(`Account.isVerified`).",
        "DEACTIVATED": "Nobody can use the account until support reactivates it. Nothing is "
        "erased.",
        "CLOSING": "Nobody can use the account, and it will be erased at `erasesAt` unless the "
        "deletion is canceled.",
        "ERASED": "The account is erased, except for what must be kept by law.",
    },
)


describe_enum(
    InterventionReason,
    "Why the vendor's staff deactivate an account, end sessions or reset a second factor. Recorded "
    "in the audit log.",
    {
        "REQUESTED": "The person, or an owner of the company, asked for it.",
        "SECURITY": "To protect the account, for example after a suspected breach.",
        "MISUSE": "The terms of use were violated.",
        "UNPAID": "Invoices are unpaid.",
        "LEGAL_OBLIGATION": "The law or an authority requires it.",
    },
)


describe_enum(
    Staff,
    "A role on the vendor's staff. Takes effect only with a second factor.",
    {
        "AGENT": "Answers customers.",
        "SUPERVISOR": "Answers customers and handles escalations.",
        "ANALYST": "Queries reports without personal data.",
        "OPERATOR": "Runs the service.",
    },
)
