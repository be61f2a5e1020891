"""Contact details of support."""

import strawberry

from schema.fields import field


@strawberry.type(description="How to reach the vendor's support.")
class Contact:
    email: str = field("Answered within 24 to 48 hours.")
    phone: str = field("Answered at once during opening hours.")
    opening_hours: str = field("When chat and phone are answered, in the viewer's language.")
    privacy_policy_url: str = field("The page of the privacy policy in force, for every footer.")
    terms_url: str = field("The page of the terms in force.")
