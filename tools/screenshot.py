"""Makes the pictures of the documents: `python tools/screenshot.py DATABASE.db FOLDER`.

It shows the database with `fixfeed dashboard`, and looks at it with Debian's Chromium.
"""

import io
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

_COLOURS = 96  # so that a picture is small
_ORDER = """select order_key from orders
where replaces = 1 and fills = 2 and rejects = 0 and copies = 0 and not drop_copy and messages = 6
order by order_key limit 1"""
_MESSAGE = """select message_id from messages
where msg_type = 'D' and defects = 'body_length' and session = 'FIX.4.4:RETAIL->BROKER' limit 1"""


def main(database: str, folder: str) -> None:
    """Make the pictures."""
    connection = sqlite3.connect(database)
    ((order,),) = connection.execute(_ORDER)
    ((message,),) = connection.execute(_MESSAGE)
    connection.close()
    pages = {
        "overview": ("", 900),
        "messages": (f"messages?session=FIX.4.4:RETAIL-%3EBROKER&message={message}", 900),
        "order": (f"orders?order={order}", 800),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "fixfeed", "dashboard", f"sqlite:///{database}"]
    served = subprocess.Popen([*command, "--port", str(port), "--no-browser"])
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait(f"{address}_stcore/health")
        with sync_playwright() as playwright:
            program = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            for name, (path, height) in pages.items():
                page = browser.new_page(viewport={"width": 1280, "height": height})
                page.goto(address + path)
                page.wait_for_selector(".ff-tile, .ff-tree, .ff-lanes")
                page.wait_for_timeout(4000)  # until charts and tables are drawn
                picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                file = Path(folder) / f"dashboard-{name}.png"
                picture.quantize(_COLOURS).save(file, optimize=True)
                print(f"{file}: {file.stat().st_size:,} bytes")
                page.close()
            browser.close()
    finally:
        served.terminate()
        served.wait()


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(address):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"nothing answers at {address}")


if __name__ == "__main__":
    main(*sys.argv[1:])
