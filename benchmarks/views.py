"""Drawing 200 messages in Pyodide under Node: the views' HTML from nothing, and again after one token.

The standard library and the archive are the browser's own, as set-up makes them.
"""

import subprocess
import sys

from common import ROOT

RUN = """
import { readFile } from "node:fs/promises";
const { loadPyodide } = await import(process.argv[1] + "/node_modules/pyodide/pyodide.mjs");
const pyodide = await loadPyodide({ stdLibURL: process.argv[1] + "/static/vendor/pyodide/python_stdlib.zip" });
pyodide.FS.writeFile("/lib/modeltab.zip", await readFile(process.argv[1] + "/static/app.zip"));
pyodide.runPython(process.argv[2]);
"""

MEASURE = """
import statistics, sys, time
sys.path.insert(0, "/lib/modeltab.zip")
from modeltab.domain.messages import Conversation, Message, Stats
from modeltab.state.store import Generation, State
from modeltab.views.page import PageView

text = "A sentence with <b>markup</b> & an ampersand. " * 6
messages, parent = {}, None
for n in range(200):
    role = "assistant" if n % 2 else "user"
    parent = Message(f"m{n}", "c", parent.id if parent else None, role, text, float(n), stats=Stats(1.0, 0.1, 20, 30, 12.5))
    messages[parent.id] = parent
messages["m199"] = parent = parent._replace(status="streaming")
shown = Conversation("c", "c", 0, 0, "m199")
state = State(conversation=shown, messages=messages, first_shown="m0", generation=Generation("m199", "c", 0, 0, True))

def median(step, runs=15):
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        step()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)

print(f"200 messages from nothing  {median(lambda: PageView().messages(state)):6.1f} ms")
view = PageView()
view.messages(state)
grown = [state]

def token():
    before = grown[0]
    longer = before.messages["m199"]._replace(text=before.messages["m199"].text + " word")
    grown[0] = before._replace(messages={**before.messages, "m199": longer})
    view.messages(grown[0])
    view.streamed(grown[0])

print(f"the same after one token   {median(token):6.1f} ms")
"""


def main() -> None:
    """Measure and print."""
    sys.exit(subprocess.run(["node", "--input-type=module", "-e", RUN, ROOT.as_posix(), MEASURE], check=False).returncode)


if __name__ == "__main__":
    main()
