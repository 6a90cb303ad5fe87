"""Rules of English that instructions are proof-read by."""

from __future__ import annotations

import re

WRONG_ARTICLE = re.compile(
    r"\b[Aa] (?=[aeiouAEIO])(?!one-|uni(?:form|que|t)|use|HED)"  # "a edge", but "a uniform"
    r"|\b[Aa] (?=(?:HED|M-LSD|RGB|RGGB|SR)\b)"  # letters that are spelt with a vowel
    r"|\b[Aa]n (?=[^aeiouAEIO\W])(?!(?:HED|M-LSD|RGB|RGGB)\b|hour|hono)"
)
""""a" before a vowel's sound or "an" before a consonant's."""

UNTIDY = re.compile(r"\s\s|^\s|\s$|[\n\t]|\{[a-z_]+\}| [,.;:!?)]|\( |[,.;:]{2}")
"""Double or stray spaces and stops, and places that nobody filled in."""
