"""Licences of Python distributions as SPDX expressions.

Since PEP 639 a distribution names its SPDX expression. Older ones have trove classifiers, which are mapped here where
they mean one licence and stand as they are where they leave it open ("BSD License"), or a free text, which is taken
when it is an SPDX expression itself or short. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

__all__ = ["license_of"]

_LONGEST_WORDS = 80
_PREFIX = "License :: "

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "CMU License (MIT-CMU)": "MIT-CMU",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "SIL Open Font License 1.1 (OFL-1.1)": "OFL-1.1",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "zlib/libpng License": "Zlib",
    "Zope Public License": "ZPL-2.1",
}
"""Last part of a trove classifier to what it is taken for."""


def license_of(*, expression: str | None, classifiers: Iterable[str], words: str) -> str | None:
    """Return the licence: an SPDX expression where there is or can be one, else short words, else None.

    Several classifiers leave open whether one may choose or must obey all, so they are only listed.
    """
    if expression:
        return _spdx(expression) or expression.strip()
    names = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith(_PREFIX)]
    licenses = sorted({CLASSIFIERS.get(name, name) for name in names} - {"OSI Approved", "Other/Proprietary License"})
    exact = _spdx(words)
    if exact and not (len(licenses) == 1 and licenses[0] in CLASSIFIERS.values()):
        return exact
    if licenses:
        return "; ".join(licenses)
    short = " ".join(words.split())
    return exact or (short if 0 < len(short) <= _LONGEST_WORDS else None)


def _spdx(words: str) -> str | None:
    if not words or len(words) > _LONGEST_WORDS * 4:
        return None
    try:
        return canonicalize_license_expression(words.strip())
    except InvalidLicenseExpression:
        return None
