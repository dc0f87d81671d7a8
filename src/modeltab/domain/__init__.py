"""Plain values: what the app talks about. Nothing here does input or output.

Values are ``NamedTuple``: immutable, compared by content, and five times cheaper to define in WebAssembly than a frozen
dataclass, which counts because all of them are defined before the first screen answers.
"""
