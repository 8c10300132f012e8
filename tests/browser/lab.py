"""A real JupyterLab (or Notebook 7) on loopback with throw-away settings, and a notebook open in a real Chromium."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import BrowserContext, Error, Locator, Page, Request, Response, Route, WebSocket

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SETTINGS: dict[str, dict[str, Any]] = {  # only what would ask a person; how cells are drawn stays as everybody has it
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "apputils-extension/sessionDialogs": {"skipKernelRestartDialog": True},
    "docmanager-extension/plugin": {"autosave": False},
}
FORBIDDEN, STARTED = "192.0.2.1", "guarded"
"""An address that belongs to nobody (RFC 5737), for the test of the guard; what each guarded process writes first."""
GUARD = f"""# in the server and in every kernel: no way out of this computer, and no port that another one could reach
import os, sys

def _note(line):
    with open(os.environ["SOCKETS_LOG"], "a", encoding="utf-8") as log:
        log.write(line + chr(10))

def _guard(event, given):
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        address = given[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = given[:1]
    else:
        return
    host = address[0] if isinstance(address, tuple) else None  # else the path of a local socket
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "localhost", "127.0.0.1", "::1", os.uname().nodename):
        _note(f"{{event}} {{address}}")
        raise PermissionError(f"{{event}} {{address}}: sockets that leave this computer are forbidden here")

_note("{STARTED}")
sys.addaudithook(_guard)
"""


@contextlib.contextmanager
def server(root: Path, home: Path, app: str = "lab") -> Iterator[str]:
    """Start `jupyter lab` or `jupyter notebook` for the files under `root`; yields its address with the token."""
    for name, values in SETTINGS.items():
        file = home / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    guard, noted = home / "guard", home / "sockets.log"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD)
    token, address = secrets.token_hex(16), f"http://127.0.0.1:{port}"
    folders = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    environment = os.environ | {
        **{f"JUPYTER_{key}_DIR": str(home / folder) for key, folder in folders.items()},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_TOKEN": token,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(guard), os.environ.get("PYTHONPATH")])),
        "SOCKETS_LOG": str(noted),
        "TORCH_HOME": str(_weights(home / "torch")),
    }
    command = [sys.executable, "-m", "jupyter", app, "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={root}"]
    command += [f"--FileCheckpoints.checkpoint_dir={home / 'checkpoints'}", "--LabApp.news_url=None"]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(f"{address}/api/status?token={token}", process, home / "server.log")
            yield f"{address}|{token}"
            said = noted.read_text("utf-8").splitlines()
            reached = [line for line in said if line != STARTED and FORBIDDEN not in line]
            assert STARTED in said and not reached, f"something was sent or served: {reached}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # the server and its kernels: its own process group
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _weights(folder: Path) -> Path:
    """Put the real weights, where a machine has them, to where torchvision looks for its downloads."""
    checkpoints = folder / "hub/checkpoints"
    checkpoints.mkdir(parents=True)
    if real := os.environ.get("COURSE_REAL_DIR"):
        shutil.copy(Path(real) / "weights/squeezenet1_0.pth", checkpoints / "squeezenet1_0-b66bff10.pth")
    return folder


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError(f"Jupyter did not start:\n{log.read_text(errors='replace')[-3000:]}")


def write_notebook(file: Path, cells: list[str]) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, file)


def watch(context: BrowserContext, inside: str) -> dict[str, list[Any]]:
    """Let nothing out of this computer, and note what went wrong and what was sent to a kernel's widgets."""
    noted: dict[str, list[Any]] = {"outside": [], "errors": [], "messages": []}

    def gate(route: Route, request: Request) -> None:
        if request.url.startswith((inside, "data:", "blob:", "file:")):
            route.continue_()
        else:
            noted["outside"].append(request.url)
            route.abort()

    def sent(payload: str | bytes) -> None:
        if b"comm_msg" in (payload if isinstance(payload, bytes) else payload.encode()):
            noted["messages"].append(payload)

    def socket_opened(websocket: WebSocket) -> None:
        websocket.on("framesent", sent)

    def page_opened(page: Page) -> None:
        page.on("console", lambda message: noted["errors"].append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: noted["errors"].append(str(error)))
        page.on("response", failed)
        page.on("websocket", socket_opened)

    def failed(response: Response) -> None:
        if response.status >= 400:
            noted["errors"].append(f"{response.status} {response.url.split('?')[0]}")

    context.route("**/*", gate)
    context.on("page", page_opened)
    return noted


class OpenNotebook:
    """A notebook in the browser: run it, read its errors, reach its cells."""

    def __init__(self, context: BrowserContext, server: str, name: str, app: str = "lab") -> None:
        address, token = server.split("|")
        self.noted = watch(context, address)
        self.page = context.new_page()
        path = f"lab/tree/{name}?reset&" if app == "lab" else f"notebooks/{name}?"
        self.page.goto(f"{address}/{path}token={token}", wait_until="domcontentloaded")
        self.page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.context.ready; }")
        self._idle()

    def _idle(self, seconds: float = 90) -> None:
        status = "window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
        self.page.wait_for_function(status, timeout=1000 * seconds)

    def run_all(self, seconds: float = 180) -> None:
        """Run all cells; the kernel is a fresh one, which opening the notebook started."""
        self.page.evaluate("""() => {
            window.ran = undefined;
            const done = (value) => (window.ran = String(value));
            window.jupyterapp.commands.execute("notebook:run-all-cells").then(done, done);
        }""")
        self.page.wait_for_function("window.ran !== undefined", timeout=1000 * seconds)
        self._idle()

    def close(self) -> None:
        """End the kernel, which holds up to 1.5 GB, and leave the page."""
        with contextlib.suppress(Error):  # a page that crashed, or is closed
            self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()

    def outputs(self) -> list[list[dict[str, Any]]]:
        """The outputs of each cell, as the notebook file would hold them."""
        found: list[list[dict[str, Any]]] = self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells.map((cell) => cell.outputs ?? [])"
        )
        return found

    def cell(self, text: str) -> Locator:
        """The cell whose source holds a text, scrolled into view (a cell far away may not be on the page at all)."""
        place = self.page.evaluate(
            """async (text) => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                const place = notebook.widgets.findIndex((cell) => cell.model.sharedModel.getSource().includes(text));
                await notebook.scrollToItem(place);
                notebook.widgets[place].node.dataset.place = place;
                return place;
            }""",
            text,
        )
        return self.page.locator(f'[data-place="{place}"]')

    def errors(self) -> list[str]:
        """What went wrong: in cells, in widgets, in the console, and requests that would have left the computer."""
        failures = [
            f"cell {number}: {output['ename']}: {output['evalue']}"
            for number, outputs in enumerate(self.outputs())
            for output in outputs
            if output["output_type"] == "error"
        ]
        lost = self.page.get_by_text("Error displaying widget").all_inner_texts()
        return failures + lost + self.noted["errors"] + self.noted["outside"]
