"""A real Chromium, run as an environment of Breakbulk and driven through a pipe: nothing is installed, nothing listens.

The DevTools protocol over two pipes: JSON documents, each followed by a zero byte; see `--remote-debugging-pipe` in
https://chromium.googlesource.com/chromium/src (content/browser/devtools/devtools_pipe_handler.cc).
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

DEADLINE_S = 30.0
START_S = 120.0
ENVIRONMENT = Path(__file__).parents[1] / "environment"
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it is in Breakbulk's, where user namespaces of its own are not to be had
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
_KEYS = {"Tab": 9, "Enter": 13, "/": 191, "Escape": 27}


class Chromium:
    """A running browser."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._number = 0
        self._answers: dict[int, Queue[dict[str, Any]]] = {}
        self._writing = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def call(
        self, method: str, session: str | None = None, timeout_s: float = DEADLINE_S, **params: Any
    ) -> dict[str, Any]:
        """Return the result of a command of the protocol."""
        with self._writing:
            self._number += 1
            number, answer = self._number, Queue()
            self._answers[number] = answer
            message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(message).encode() + b"\0")
            self._process.stdin.flush()
        try:
            found = answer.get(timeout=timeout_s)
        except Empty:
            raise AssertionError(f"the browser does not answer {method}") from None
        assert "error" not in found, found
        return found["result"]

    def _read(self) -> None:
        assert self._process.stdout is not None
        pending = b""
        while data := os.read(self._process.stdout.fileno(), 1 << 20):
            *messages, pending = (pending + data).split(b"\0")
            for message in map(json.loads, messages):
                if answer := self._answers.pop(message.get("id", 0), None):
                    answer.put(message)

    @contextmanager
    def page(
        self, width: int = 1200, height: int = 900, *, dark: bool = False, scripts: bool = True
    ) -> "Iterator[Page]":
        """Open a page in a profile of its own: no cookie of another test is there."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        page.call("Page.enable")
        page.resize(width, height)
        scheme = "dark" if dark else "light"
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        try:
            yield page
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """One page of a browser."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of a command for this page."""
        return self._browser.call(method, self._session, **params)

    def resize(self, width: int, height: int) -> None:
        """Be a window, or a phone, of this size."""
        mobile = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def open(self, url: str) -> None:
        """Go somewhere, and wait until it is there."""
        self.run("window.stale = true")
        self.call("Page.navigate", url=url)
        self.arrived()

    def arrived(self) -> None:
        """Wait until another document than the one before has been loaded."""
        self.until("!window.stale && document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Return the value of an expression once it is something true."""
        return until(lambda: self._tried(expression), expression)

    def _tried(self, expression: str) -> Any:
        try:
            return self.run(expression)
        except AssertionError:  # the document is being replaced
            return None

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        common = {
            "key": key,
            "windowsVirtualKeyCode": _KEYS.get(key, ord(key[0].upper())),
            "modifiers": 8 if shift else 0,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Type into whatever has the focus."""
        self.call("Input.insertText", text=text)

    def text(self) -> str:
        """Return what is to be read."""
        return str(self.run("document.body.innerText"))

    def picture(self, to: Path) -> Path:
        """Take a picture of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        to.write_bytes(base64.b64decode(data))
        return to


@contextmanager
def chromium(cache: Path, scratch: Path) -> Iterator[Chromium]:
    """Run a browser until the end of the block.

    `cache` keeps its environment between runs: the lock and the packages, some 220 MB of downloads the first time.
    """
    directory = cache / "browser"
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(ENVIRONMENT / "breakbulk.toml", directory)
    profile = scratch / "profile"
    profile.mkdir()
    variables = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "BREAKBULK_STORE": str(cache / "browser-store"),
        "BREAKBULK_CACHE": str(cache),
    }
    breakbulk = [sys.executable, "-m", "breakbulk"]
    subprocess.run(
        [*breakbulk, "realise", "-e", directory], env=variables, check=True, timeout=900, capture_output=True
    )
    # Its descriptors 3 and 4 are the pipes; a shell in the environment makes them of standard input and output.
    script = f'exec chromium {" ".join(_OPTIONS)} --user-data-dir="$0" about:blank 3<&0 4>&1 </dev/null >/dev/null 2>&1'
    process = subprocess.Popen(
        [*breakbulk, "run", "-q", "-e", directory, "--", "sh", "-c", script, profile],
        env=variables,
        cwd=scratch,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        browser = Chromium(process)
        browser.call("Browser.getVersion", timeout_s=START_S)
        yield browser
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return what `condition` gives once it gives something true; fail after a while."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not happen: {what}"
        time.sleep(0.02)
    return found
