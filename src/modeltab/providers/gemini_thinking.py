"""How Gemini is asked to think: in tokens, or in levels.

Source: Google's API reference, "Thinking", looked up in November 2026.
"""

import re

from modeltab.providers.base import Json

#: How many tokens of thought an effort is worth, for models that want a number. The highest is the most that all take.
BUDGETS = {"off": 0, "low": 1024, "medium": 8192, "high": 24576}
#: Gemini 2.5 Pro always thinks; this is its least.
LEAST_PRO_BUDGET = 128


def thinking_config(model: str, effort: str | None, thinks: bool | None) -> dict[str, Json]:
    """What asks a model for that much thought; empty where nothing is asked, or a model has nothing to turn off.

    Gemini 2.5 takes a number of tokens, later ones a level. Which levels there are differs: "low" and "high" all have.

    :param thinks: whether it thinks at all, None when the list of models has not told.
    """
    if not effort:
        return {}
    name = model.lower()
    found = re.search(r"gemini-(\d+)(?:\.(\d+))?", name)
    # A name without a version, such as gemini-flash-latest, is that of a late one.
    version = (int(found[1]), int(found[2] or 0)) if found else (99, 0)
    if effort == "off" and (thinks is False or version < (2, 5)):
        return {}
    shown = {"includeThoughts": effort != "off"}
    if version < (3, 0):
        least = LEAST_PRO_BUDGET if "pro" in name else 0
        return {"thinkingBudget": max(BUDGETS.get(effort, -1), least if effort == "off" else -1), **shown}
    level = effort
    if effort == "off":  # none of them stops altogether; 3.7 Flash and later refuse "minimal"
        level = "minimal" if "flash" in name and version < (3, 7) else "low"
    elif effort == "medium" and version == (3, 0) and "pro" in name:
        level = "high"
    return {"thinkingLevel": level, **shown}
