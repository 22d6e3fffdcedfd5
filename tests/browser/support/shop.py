"""A hub as a team has it: a few environments with several generations, long names, and everything a page shows."""

from changes import authorship, locked, push

from breakbulk.hub.hub import Hub
from breakbulk.hub.names import parse_reference
from breakbulk.hub.switching import rollback, switch
from breakbulk.lock.model import LOCK_VERSION, Lock, LockedSystem, Package

_PACKAGES = {
    "apache-airflow": ("pypi", 1_850_000, "Apache-2.0"),
    "apache-airflow-providers-cncf-kubernetes": ("pypi", 140_000, "Apache-2.0"),
    "numpy": ("pypi", 18_200_000, "BSD-3-Clause"),
    "pandas": ("pypi", 12_700_000, "BSD-3-Clause"),
    "libstdc++6": ("deb", 613_000, "LicenseRef-debian-main"),
    "python3.11-minimal": ("deb", 2_100_000, "Python-2.0"),
    "tzdata": ("deb", 300_000, "Public-Domain"),
}


def lock_of(**versions: str) -> Lock:
    """Return a lock of these packages; names with `_` for `-`."""
    packages = []
    for name, version in versions.items():
        proper = next(
            known for known in _PACKAGES if known.replace("-", "_").replace("+", "p").replace(".", "_") == name
        )
        ecosystem, size, licence = _PACKAGES[proper]
        packages.append(
            Package(
                ecosystem=ecosystem,
                name=proper,
                version=version,
                file=f"{proper}-{version}",
                size=size + len(version),
                sha256=locked(proper + version).systems["x86_64-linux"].packages[0].sha256,
                purl=f"pkg:{ecosystem}/{proper}@{version}",
                license=licence,
            )
        )
    return Lock(
        lock_version=LOCK_VERSION, manifest={}, systems={"x86_64-linux": LockedSystem(packages=tuple(packages))}
    )


def fill(hub: Hub) -> None:
    """Make the environments."""
    first = lock_of(
        apache_airflow="3.1.0", numpy="2.1.3", libstdcpp6="12.2.0-14", python3_11_minimal="3.11.2-6+deb12u3"
    )
    second = lock_of(
        apache_airflow="3.1.1",
        numpy="2.2.0",
        pandas="2.3.3",
        libstdcpp6="12.2.0-14",
        python3_11_minimal="3.11.2-6+deb12u3",
    )
    third = lock_of(apache_airflow="3.1.1", numpy="2.2.0", pandas="2.3.3", tzdata="2026b-0+deb12u1")
    shown = {"installs": ("airflow", "kubernetes", "pandas", "python"), "author": "ada"}
    for lock, message in ((first, "Airflow 3.1"), (second, "Pandas for the reports"), (third, "Time zones of 2026")):
        push(
            hub,
            environment="ada/airflow",
            lock=lock,
            message=message,
            packages=len(lock.systems["x86_64-linux"].packages),
            **shown,
        )
    rollback(hub, "ada/airflow", authorship("3 breaks the reports"))
    switch(hub, parse_reference("ada/airflow:3"), authorship(author="grace.hopper", message="fixed upstream"))
    long = "a-very-long-owner-name-that-somebody-really-has/an-environment-whose-name-is-just-as-long-as-it-may-be-x"
    push(
        hub,
        environment=long,
        lock=second,
        message="A message that goes on and on, with a word-that-cannot-be-broken-anywhere-at-all-by-anybody",
        packages=195,
        **shown,
    )
    for number, name in enumerate(("web", "postgres-headless", "ticket-processor", "data-science")):
        push(
            hub,
            environment=f"grace/{name}",
            lock=first,
            message=f"version {number}",
            author="grace.hopper",
            installs=(name,),
            packages=4,
        )
