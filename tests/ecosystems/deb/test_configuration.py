"""apt.conf(5), scopes and comments included."""

from pathlib import Path

from breakbulk.ecosystems.deb.configuration import read_configuration

TEXT = """
// a comment; with { marks }
Acquire::Check-Valid-Until "false"; # another
Acquire { Snapshots { URI { Label::Debian "http://past/@SNAPSHOTID@/"; }; }; /* more
*/ };
DPkg::Post-Invoke { "rm -f /x || true"; };
Acquire::Flag yes;
"""


def test_reads_scopes_and_flags(tmp_path: Path) -> None:
    (tmp_path / "apt.conf.d").mkdir()
    (tmp_path / "apt.conf.d/10first").write_text(TEXT)
    (tmp_path / "apt.conf.d/20ignored.bak").write_text('Acquire::Flag "no";')
    configuration = read_configuration(tmp_path)
    assert configuration.flag("acquire::check-valid-until", default=True) is False
    assert configuration.flag("Acquire::Flag", default=False) is True
    assert configuration.flag("Acquire::Absent", default=True) is True
    assert configuration.text("Acquire::Snapshots::URI::Label::Debian") == "http://past/@SNAPSHOTID@/"


def test_the_last_word_counts(tmp_path: Path) -> None:
    (tmp_path / "apt.conf.d").mkdir()
    (tmp_path / "apt.conf.d/a").write_text('X::Y "1";')
    (tmp_path / "apt.conf").write_text('x::y "2";')
    assert read_configuration(tmp_path).text("X::Y") == "2"
