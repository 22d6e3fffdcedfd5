"""runc's command line, as containerd's shims and people write it."""

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.node.handler.invocation import parse


def fields(*words: str) -> tuple[str, ...]:
    found = parse(words)
    return (found.verb, found.container, found.bundle, found.log, found.log_format, found.process)


def test_what_containerd_writes():
    words = [
        "--root",
        "/run/containerd/runc/k8s.io",
        "--log",
        "/b/log.json",
        "--log-format",
        "json",
        "--systemd-cgroup",
    ]
    created = fields(*words, "create", "--bundle", "/b", "--pid-file", "/b/init.pid", "--console-socket", "/s", "c1")
    assert created == ("create", "c1", "/b", "/b/log.json", "json", "")
    entered = fields(*words, "exec", "--process", "/tmp/runc-process1", "--detach", "--pid-file", "/b/2.pid", "c1")
    assert entered == ("exec", "c1", "", "/b/log.json", "json", "/tmp/runc-process1")


def test_other_ways_of_writing_the_same():
    assert fields("--log=/l", "-log-format=json", "--rootless=true", "--debug", "create", "-b=/b", "--", "--odd") == (
        *("create", "--odd", "/b", "/l", "json", ""),
    )
    assert fields("--log", "create", "create", "-b", "create", "exec") == (
        "create",
        "exec",
        "create",
        "create",
        "text",
        "",
    )
    assert fields("exec", "-p", "/p", "-e", "A=1", "-t", "c1", "--process", "not ours")[1:] == (
        "c1",
        "",
        "",
        "text",
        "/p",
    )


def test_nothing_and_what_is_cut_short():
    assert fields() == ("", "", "", "", "text", "")
    assert fields("--log")[3] == ""
    assert fields("create", "--bundle") == ("create", "", "", "", "text", "")


@given(st.lists(st.text()))
def test_any_words_are_understood_somehow(words):
    parse(words)


VALUES = st.text(min_size=1)


@given(VALUES, VALUES, VALUES, st.booleans(), st.text(min_size=1).filter(lambda text: not text.startswith("-")))
def test_values_arrive_whatever_is_in_them(log, bundle, process, joined, container):
    def option(name: str, value: str) -> list[str]:
        return [f"--{name}={value}"] if joined else [f"--{name}", value]

    words = [*option("log", log), "--debug", "exec", *option("bundle", bundle), *option("process", process), container]
    found = parse(words)
    assert (found.verb, found.log, found.bundle, found.process, found.container) == (
        *("exec", log, bundle, process, container),
    )
