"""Examples for the playground: what code can do with models, each whole and short enough to read."""

from typing import NamedTuple


class CodeExample(NamedTuple):
    """A Python program. `MODEL` in its code stands for the chosen model."""

    id: str
    label: str
    code: str


_CLASSIFY = """import modeltab

reviews = [
    "Arrived quickly and works perfectly.",
    "It broke on the second day.",
    "Fine for the price, nothing special.",
    "Best purchase I have made this year!",
]

rows = []
for review in reviews:
    answer = modeltab.chat(
        MODEL,
        f"Is this review positive, negative or neutral? Answer with that one word.\\n\\n{review}",
        temperature=0,
        max_tokens=8,
    )
    rows.append({"review": review, "verdict": answer.strip()})

rows
"""

_EXTRACT = """import modeltab

text = "Ada Lovelace, born in London in 1815, wrote the first program for Charles Babbage's machine."
schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "birthplace": {"type": "string"},
        "birth_year": {"type": "integer"},
    },
    "required": ["name", "birthplace", "birth_year"],
    "additionalProperties": False,
}

answer = modeltab.chat(
    MODEL,
    f"Extract the person from this text as JSON.\\n\\n{text}",
    response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema}},
    temperature=0,
    max_tokens=200,
)
answer.json()
"""

_COMPARE = """import time

import modeltab

prompts = [
    "Name a prime number above 50.",
    "Translate 'good morning' into French.",
    "What is the capital of Australia?",
    "Write a haiku about rain.",
    "What does HTTP stand for?",
    "Give three synonyms of 'quick'.",
    "How many legs has a spider?",
    "Finish: 'To be, or not to be,'",
    "What is 17 times 3?",
    "Name a moon of Jupiter.",
]
# The chosen model, and one more where there is one.
others = [model["id"] for model in modeltab.models() if model["id"] != MODEL]
contestants = [MODEL, *others[:1]]

speed, answers = {}, []
for model in contestants:
    characters, began = 0, time.time()
    for prompt in prompts:
        answer = modeltab.chat(model, prompt, temperature=0, max_tokens=40)
        characters += len(answer)
        answers.append({"model": model, "prompt": prompt, "answer": answer.strip()})
        print(f"{model}: {prompt}")
    speed[model] = characters / (time.time() - began)

display(modeltab.BarChart(speed, "Characters a second", ""))
answers
"""

_TOOL = '''import datetime

import modeltab


def days_until(date: str) -> int:
    """How many days there are from today until a date, written as YYYY-MM-DD."""
    return (datetime.date.fromisoformat(date) - datetime.date.today()).days


answer = modeltab.chat(
    MODEL,
    "How many days is it until 2030-01-01?",
    tools=[days_until],
    temperature=0,
    max_tokens=200,
)
for call in answer.tool_calls:
    print(f"{call['name']}({call['arguments']}) → {call['result']}")
print(answer)
'''

EXAMPLES = (
    CodeExample("classify", "Classify a list", _CLASSIFY),
    CodeExample("extract", "Extract JSON with a schema", _EXTRACT),
    CodeExample("compare", "Compare two models on ten prompts", _COMPARE),
    CodeExample("tool", "A Python function as a tool", _TOOL),
)


def code_of(example_id: str, model: str) -> str:
    """An example's code for a model. :raises KeyError: when there is no such example."""
    found = {example.id: example.code for example in EXAMPLES}[example_id]
    return found.replace("MODEL", repr(model))
