"""A headless Chromium, driven through the DevTools protocol over a pair of pipes.

`--remote-debugging-pipe` reads commands on descriptor 3 and writes answers and events on 4, each
a JSON text that ends in a zero byte: no driver, no port, no package.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time

with contextlib.suppress(ImportError):
    import fcntl

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def browser_path():
    """Where a browser is, or None; the pipes are POSIX's."""
    if os.name != "posix":
        return None
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page in a browser of its own; what it asked for and what it complained of is kept."""

    def __init__(self, profile):
        self.requests, self.complaints, self.buffer, self.number = [], [], b"", 0
        self.loaded = False
        self.session = None
        self.start(profile)
        try:
            self.attach()
        except BaseException:
            self.__exit__()
            raise

    def start(self, profile):
        """The process, with its ends of the pipes at 3 and 4."""
        commands, self.write_end = os.pipe()
        self.read_end, answers = os.pipe()
        # Neither may be lost while the other takes its place.
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (commands, answers)]

        def in_their_places():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [browser_path(), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            close_fds=False,
            preexec_fn=in_their_places,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (commands, answers, *high):
            os.close(end)

    def attach(self):
        """To the one page that there is."""
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        os.close(self.read_end)
        os.close(self.write_end)

    def receive(self, seconds):
        """The next message; None if none comes."""
        end = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.read_end], [], [], left)[0]:
                return None
            read = os.read(self.read_end, 1 << 20)
            if not read:
                raise RuntimeError("the browser has gone")
            self.buffer += read
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        self.note(message.get("method"), message.get("params", {}))
        return message

    def note(self, method, params):
        """Keep what a test wants to know."""
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.loadingFailed":
            self.complaints.append(params["errorText"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(params["args"]))

    def send(self, method, **params):
        """Carry out a command; its result."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.write_end, json.dumps(command).encode() + b"\0")
        while (message := self.receive(60)) is not None:
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
        raise TimeoutError(method)

    def window(self, width, height, dark=False):
        """A size, and the system's theme."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[theme])

    def open(self, url):
        """Load a page, all of it."""
        self.loaded = False
        # Another place on the page that is open is no new document.
        found = self.send("Page.navigate", url=url)
        while "loaderId" in found and not self.loaded:
            if self.receive(60) is None:
                raise TimeoutError(url)

    def evaluate(self, expression):
        """The value of an expression in the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def until(self, expression, seconds=20):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(expression)
            time.sleep(0.02)

    def mouse(self, kind, x, y, buttons=1):
        """A pointer event: pressed, moved or released."""
        self.send(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=x,
            y=y,
            button="left" if buttons or kind == "Released" else "none",
            buttons=buttons,
            clickCount=1,
        )

    def touch(self, kind, *place):
        """A finger: start, move or end."""
        points = [{"x": place[0], "y": place[1]}] if place else []
        self.send("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=points)

    def press(self, key, modifiers=0):
        """A key, down and up."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=KEY_CODES[key],
                modifiers=modifiers,
            )

    def picture(self, path, whole=True):
        """A screenshot into a PNG file."""
        found = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))


KEY_CODES = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}
