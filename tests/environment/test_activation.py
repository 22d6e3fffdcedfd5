"""Which of the caller's variables mean the same inside."""

from breakbulk.environment.activation import inherited, search_path


def test_what_names_this_machines_software_stays_out():
    host = {
        "PATH": "/host/bin",
        "LD_LIBRARY_PATH": "/x",
        "PYTHONPATH": "/x",
        "VIRTUAL_ENV": "/x",
        "CONDA_PREFIX": "/x",
        "JAVA_HOME": "/x",
        "FLOX_ENV": "/x",
        "TMPDIR": "/x",
        "BASH_FUNC_f%%": "() { :; }",
        "BREAKBULK_SERVICE": "x",
    }
    assert inherited(host, pure=False) == {}


def test_what_the_user_has_set_stays():
    host = {
        "AWS_PROFILE": "x",
        "DATABASE_URL": "x",
        "TERM": "xterm",
        "PYTHONUNBUFFERED": "1",
        "http_proxy": "http://proxy",
        "EDITOR": "vi",
        "PYTHONWARNINGS": "error",
        "XDG_CONFIG_HOME": "/x",
    }
    assert inherited(host, pure=False) == host


def test_pure_keeps_terminal_and_name_only():
    assert inherited({"TERM": "xterm", "USER": "joe", "SECRET": "x"}, pure=True) == {"TERM": "xterm", "USER": "joe"}


def test_certificates_stay_where_the_file_is_visible(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    host = {"SSL_CERT_FILE": str(bundle), "REQUESTS_CA_BUNDLE": str(tmp_path / "absent.pem")}
    assert inherited(host, pure=False) == {"SSL_CERT_FILE": str(bundle)}


def test_locale_stays_where_it_exists():
    host = {"LANG": "xx_XX.UTF-8", "LC_ALL": "C.UTF-8", "LC_TIME": "POSIX"}
    assert inherited(host, pure=False) == {"LC_ALL": "C.UTF-8", "LC_TIME": "POSIX"}


def test_search_path_has_own_trees_last(tmp_path):
    (tmp_path / "b/bin").mkdir(parents=True)
    (tmp_path / "a/bin").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    assert search_path(str(tmp_path)).split(":")[-2:] == [f"{tmp_path}/a/bin", f"{tmp_path}/b/bin"]
    assert search_path(str(tmp_path / "absent")).split(":")[:2] == ["/usr/local/sbin", "/usr/local/bin"]
