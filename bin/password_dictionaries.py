"""Writes auth/passwords/dictionaries.json.gz, the words by which the strength of passwords is
evaluated, made from these npm packages:

- @zxcvbn-ts/language-common (MIT): the most common passwords, and the layout of the azerty keyboard
- @zxcvbn-ts/language-fr (MIT): French words, given names and family names, most frequent first
- dictionary-fr (MPL 2.0): the spelling dictionary Dicollecte, for rare words
- @etalab/decoupage-administratif (MIT; its data: Licence Ouverte 2.0 of INSEE and IGN): towns of at
  least 2,000 inhabitants, largest first, and postal codes

The file is part of the repository, so neither the server nor an installation needs the packages.
Run it with `.venv/bin/python bin/password_dictionaries.py` after changing a version.
"""

import gzip
import json
import re
import subprocess
import tarfile
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COMMON = "@zxcvbn-ts/language-common@4.1.3"
FRENCH = "@zxcvbn-ts/language-fr@4.1.2"
SPELLING = "dictionary-fr@3.0.0"
TOWNS = "@etalab/decoupage-administratif@6.0.0"
MIN_POPULATION = 2_000
OUTPUT = Path(__file__).parent.parent / "auth/passwords/dictionaries.json.gz"


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        common, french, spelling, towns = (
            _fetch(package, folder) for package in (COMMON, FRENCH, SPELLING, TOWNS)
        )
        municipalities = [
            each
            for each in _read(towns / "data/communes.json")
            if each["type"] == "commune-actuelle" and each.get("population", 0) >= MIN_POPULATION
        ]
        municipalities.sort(key=lambda each: -each["population"])
        words = _unaccented_words(
            [*_read(french / "src/commonWords.json"), *_read(french / "src/wikipedia.json")]
        )
        lines = (spelling / "index.dic").read_text(encoding="utf-8").splitlines()[1:]
        spelling_words = _unaccented_words(re.split(r"[/\t]", line)[0] for line in lines)
        common_words = set(words)
        names = [*_read(french / "src/firstnames.json"), *_read(french / "src/lastnames.json")]
        dictionaries = {
            # Shorter words are found in random passwords.
            "french_words": [word for word in words if len(word) > 2]
            + [
                word
                for word in spelling_words
                if len(word) > 4 and word.isalpha() and word not in common_words
            ],
            "french_names": _unaccented_words(names),
            "french_towns": _unaccented_words(_letters(each["nom"]) for each in municipalities),
            "french_postal_codes": _unaccented_words(
                code for each in municipalities for code in sorted(each["codesPostaux"])
            ),
            "common_passwords": _unaccented_words(_read(common / "src/passwords.json")),
        }
        azerty = _read(common / "src/adjacencyGraphs.json")["azerty"]
    text = json.dumps({"dictionaries": dictionaries, "azerty": azerty}, separators=(",", ":"))
    OUTPUT.write_bytes(gzip.compress(text.encode(), mtime=0))


def _fetch(package: str, folder: Path) -> Path:
    command = ["npm", "pack", "--silent", package]
    result = subprocess.run(  # noqa: S603 - ours
        command, cwd=folder, check=True, capture_output=True, text=True
    )
    target_folder = folder / result.stdout.strip().removesuffix(".tgz")
    with tarfile.open(folder / result.stdout.strip()) as archive:
        archive.extractall(target_folder, filter="data")
    return target_folder / "package"


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _letters(name: str) -> str:
    return "".join(character for character in name if character.isalnum())


def _unaccented_words(words: Iterable[str]) -> list[str]:
    """The words in lower case and without accents, each once."""
    decomposed_words = (unicodedata.normalize("NFKD", word.lower()) for word in words)
    words_without_accents = (
        "".join(c for c in word if not unicodedata.combining(c)) for word in decomposed_words
    )
    return list(dict.fromkeys(words_without_accents))


if __name__ == "__main__":
    main()
