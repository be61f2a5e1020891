"""Contact details of support."""

import strawberry

from schema.fields import field


@strawberry.type(description="How to contact the vendor's support.")
class Contact:
    email: str = field("The email address of support. Emails are answered within 24 to 48 hours.")
    phone: str = field(
        "The phone number of support. Calls are answered immediately during opening hours."
    )
    opening_hours: str = field(
        "The hours in which chat and phone are answered, in the viewer's language."
    )
    privacy_policy_url: str = field("The URL of the privacy policy in force, for use in footers.")
    terms_url: str = field("The URL of the terms in force.")
