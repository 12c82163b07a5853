"""Chromium without a window, spoken to in its own protocol: what a page shows, says on its console, and asks for."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_START_S, _ANSWER_S = 30.0, 20.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_KEYS = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38}


class Page:
    """One page.

    Attributes:
        said: errors and warnings of the page: on its console, uncaught, or of its policy.
        asked: every address that it asked for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self._loop = loop
        self._socket = socket
        self._number = 0
        self._events: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Give a command and wait for what comes of it."""
        self._number += 1
        number = self._number
        return self._wait(self._call(number, {"id": number, "method": method, "params": params}))

    def open(self, address: str) -> None:
        """Go to an address and wait until it is loaded."""
        self._events.clear()
        self.call("Page.navigate", url=address)
        self._wait(self._until("Page.loadEventFired"))

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for.

        Raises:
            AssertionError: it throws.
        """
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true, frame by frame.

        Raises:
            AssertionError: it is not after some seconds.
        """
        waiting = f"""new Promise((resolve) => {{
          const end = performance.now() + 20000;
          const look = () => {{ if ({script}) resolve(true); else if (performance.now() > end) resolve(false);
            else setTimeout(look, 10); }};
          look();
        }})"""
        assert self.run(waiting), f"never true: {script}"

    def text(self, selector: str) -> str:
        """What a reader sees of an element."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def texts(self, selector: str) -> list[str]:
        """What a reader sees of each of these elements."""
        return list(self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)"))

    def click(self, selector: str) -> None:
        """Click on an element, with the mouse."""
        place = self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            "one.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key."""
        code = _KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Type into whatever has the focus."""
        self.call("Input.insertText", text=text)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a list."""
        self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.value = {json.dumps(value)};"
            "one.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def resize(self, width: int, height: int) -> None:
        """Give the window a size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        """Have the system's colours be `light` or `dark`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path) -> None:
        """Write a picture of what is in the window."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def printed(self) -> bytes:
        """The page on paper, as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def _wait(self, coming: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(coming, _ANSWER_S))

    async def _call(self, number: int, command: dict[str, Any]) -> Any:
        await self._socket.send_json(command)
        while True:
            message = await self._socket.receive_json()
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]

    async def _until(self, event: str) -> None:
        while event not in self._events:
            self._note(await self._socket.receive_json())

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method", ""), message.get("params", {})
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.said.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.said.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self.said.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))


class Browser:
    """A running Chromium."""

    def __init__(self, loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession, port: int) -> None:
        self._loop = loop
        self._session = session
        self._base = f"http://127.0.0.1:{port}"

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Open a page of its own, and close it at the end."""
        target = self._loop.run_until_complete(self._new())
        socket = self._loop.run_until_complete(self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0))
        try:
            yield Page(self._loop, socket)
        finally:
            self._loop.run_until_complete(socket.close())
            self._loop.run_until_complete(self._close(target["id"]))

    async def _new(self) -> Any:
        async with self._session.put(f"{self._base}/json/new?about:blank") as answer:
            return await answer.json()

    async def _close(self, target: str) -> None:
        async with self._session.get(f"{self._base}/json/close/{target}") as answer:
            await answer.read()


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium with a profile of its own, and end it."""
    assert CHROMIUM, "no Chromium"
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        session = None
        try:
            port = loop.run_until_complete(asyncio.wait_for(_port(Path(profile)), _START_S))
            session = loop.run_until_complete(_session())
            yield Browser(loop, session, port)
        finally:
            if session:
                loop.run_until_complete(session.close())
            process.terminate()
            process.wait()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def _port(profile: Path) -> int:
    """The port that Chromium tells in its profile once it listens."""
    told = profile / "DevToolsActivePort"
    while not (told.exists() and "\n" in told.read_text()):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)
    return int(told.read_text().splitlines()[0])
