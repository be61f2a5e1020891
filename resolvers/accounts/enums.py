"""Enums of accounts."""

from accounts.legal_names import Decision
from models.accounts.account import AccountStatus, Role
from models.accounts.legal_name import LegalNameStatus, RegistryVerdict
from models.identity.user import Staff
from resolvers.described import described

described(
    LegalNameStatus,
    "Where a change of legal name stands.",
    {
        "CHECKING": "The register of companies is being asked.",
        "EVIDENCE_NEEDED": "The company is to show evidence, such as an extract of the register (Kbis).",
        "IN_REVIEW": "An agent is to look at the evidence.",
        "ACCEPTED": "It is the company's legal name since.",
        "REJECTED": "An agent refused it; `reason` says why.",
        "CANCELED": "The company took it back.",
    },
)


described(
    RegistryVerdict,
    "What came of comparing a name with the register of companies.",
    {
        "MATCH": "It is the registered name; case, accents and punctuation don't count.",
        "OTHER_NAME": "Another name is registered.",
        "CEASED": "The company is registered as closed.",
        "NOT_FOUND": "No company is registered under the SIREN, or not for everybody to see.",
        "UNKNOWN": "There is no register to ask.",
        "AWAY": "The register did not answer; it is asked again.",
    },
)


described(
    Decision,
    "What an agent says of a change of legal name.",
    {
        "ACCEPT": "The evidence shows it.",
        "REJECT": "It shows that it isn't.",
        "ASK": "Better evidence is needed.",
    },
)


described(
    Role,
    "What a member may do in a company account.",
    {
        "OWNER": "Everything; each company has at least one.",
        "ADMIN": "Everything but giving the company away and dealing with its owners.",
        "BILLING": "Buying, paying and reading the bills, and asking for help.",
        "MEMBER": "Using what was bought and asking for help.",
    },
)


described(
    AccountStatus,
    "Whether a company's account can be used.",
    {
        "ACTIVE": "Its people act for it.",
        "DEACTIVATED": "It rests: nobody acts for it until support reactivates it. Nothing is erased.",
        "CLOSING": "It rests, and is deleted at `erasesAt` unless it is called off.",
        "ERASED": "It is deleted: of it only what the law keeps is left.",
    },
)


described(
    Staff,
    "The vendor's own roles; in force only with a second factor.",
    {
        "AGENT": "Answers customers.",
        "SUPERVISOR": "Answers customers and takes escalations.",
        "ANALYST": "Asks for figures, and sees no personal data.",
        "OPERATOR": "Runs the service.",
    },
)
