"""Which of the environment's programs finish the base package; that they do is seen in `test_building`."""

from __future__ import annotations

from pathlib import Path

from breakbulk.ecosystems.interface import Entry
from breakbulk.store.base.facts import Facts, Member
from breakbulk.store.base.programs import failed, planned
from breakbulk.store.confined import Completed


def facts(*files: str) -> Facts:
    content = {path: Entry("file", 0o755, "0" * 64) for path in files}
    content |= {str(parent): Entry("directory", 0o755, "") for path in files for parent in Path(path).parents}
    return Facts([Member(name="some", version="1", tree=Path("/tree"), content=content)], "amd64")


def test_nothing_runs_where_nothing_is() -> None:
    assert planned(facts("usr/bin/rm", "usr/bin/openssl"), ()) == []


def test_a_program_runs_where_its_input_is() -> None:
    found = planned(facts("usr/sbin/ldconfig", "usr/bin/openssl", "usr/share/ca-certificates/a.crt"), ())
    assert [program.argv[0] for program in found] == ["/sbin/ldconfig", "/usr/bin/openssl"]


def test_tex_gets_what_its_formats_are_made_from_one_after_the_other() -> None:
    tools = ("update-texmf", "update-updmap", "update-language", "update-fmtutil")  # as tex-common has them
    found = planned(
        facts(
            *(f"usr/sbin/{name}" for name in tools),
            "usr/bin/rm",
            "usr/bin/mktexlsr",
            "usr/bin/updmap-sys",
            "usr/share/texlive/texmf-dist/web2c/fmtutil-hdr.cnf",
        ),
        (),
    )
    names = [program.argv[0].rpartition("/")[2] for program in found]
    assert names == [*tools, "mktexlsr", "updmap-sys", "mktexlsr", "rm"]
    assert all(program.last for program in found)


def test_a_program_that_misses_an_essential_one_says_how_to_have_it() -> None:
    (line,) = failed(Completed(status=0, stdout=b"breakbulk-failed /bin/x\n", stderr=b"x: getopt: command not found\n"))
    assert "/bin/x failed" in line
    assert 'options.base = "essential"' in line
