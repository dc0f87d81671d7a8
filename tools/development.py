"""Serves the working tree on this computer until Ctrl+C, and opens it in the browser."""

import errno
import threading
import webbrowser
from pathlib import Path

from tools.report import Problem, say
from tools.serve import SiteServer, make_server


def serve(root: Path, port: int, open_browser: bool) -> None:
    """Serve the app in `root` until the person stops it.

    Raises:
        Problem: the port is taken or may not be used.
    """
    with _server(root, port) as server:
        say(f"ModelTab is at {server.url} (Ctrl+C stops it; after an edit, reload the page)")
        if open_browser:
            # In a thread, for some browsers keep the call waiting until they are closed.
            threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("\nStopped.")


def _server(root: Path, port: int) -> SiteServer:
    try:
        return make_server(root, port)
    except OverflowError as error:
        raise Problem(f"{port} is not a port.", "Choose one from 1024 to 65535, for example --port 8001") from error
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "is already taken by another program" if taken else f"cannot be used ({error.strerror})"
        other = port + 1 if port < 65535 else 8000
        raise Problem(f"Port {port} {reason}.", f"Choose another one, for example: --port {other}") from error
