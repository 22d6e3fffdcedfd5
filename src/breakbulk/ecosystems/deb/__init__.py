"""Debian packages: resolved over signed indices as apt would, located at the user's mirrors, unpacked.

- `sources`, `configuration`, `credentials`: what apt of this machine is configured to use
- `suites`, `snapshots`: which of it a manifest means
- `fetching`, `signatures`, `release`, `memory`, `acceptance`, `decompression`, `archive`, `index`: indices that are
  proven before they are believed
- `versions`, `relations`, `stanzas`: Debian's formats
- `universe`: all that may be chosen from
- `requesting`, `choosing`, `searching`, `explaining`, `resolver`: what is chosen, and why not
- `packaging`: how it stands in the lock
- `unpacking`, `members`, `merged_usr`: what an archive becomes
- `gathering`, `ecosystem`: where the parts meet
"""

from breakbulk.ecosystems.deb.ecosystem import Deb, Found, search
from breakbulk.ecosystems.deb.packaging import python_of

__all__ = ["Deb", "Found", "python_of", "search"]
