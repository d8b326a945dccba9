"""`greenfront watch`: the report in a browser, while the search goes on."""

import json as json_format
import os
import sys
import webbrowser
from contextlib import suppress
from threading import Thread
from typing import Annotated

import typer
from rich.markup import escape

from greenfront.page_server import PageServer
from greenfront.script_options import Run
from greenfront.terminal import Console

NICENESS = 10
"""What is watched goes first."""


def watch(
    run: Run,
    port: Annotated[int, typer.Option(help="Of this machine's loopback address; default: one that is free.")] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the address.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print address and run as JSON.")] = False,
) -> None:
    """Serve a run's report to this machine's browser, up to date while the search goes on; Ctrl-C ends it."""
    from greenfront.search import RunFolder

    folder = RunFolder.existing(run)
    os.nice(NICENESS)
    console = Console(quiet=quiet or json)
    with console.status("reading the run"):
        from greenfront.search.followed_run import FollowedRun

        followed = FollowedRun(folder)
        followed.page()  # what can't be read is said here, not in the browser
    with PageServer(followed, port) as server, suppress(KeyboardInterrupt):
        if json:
            sys.stdout.write(json_format.dumps({"url": server.url, "run": str(folder.path)}) + "\n")
        elif quiet:
            sys.stdout.write(f"{server.url}\n")
        console.print(f"{escape(str(run))}: {server.url}   (Ctrl-C ends it; the search goes on)", highlight=False)
        sys.stdout.flush()
        if open_:
            Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        server.serve_forever()
