"""ModelTab: every model a person has, in one browser tab."""

__version__ = "0.1.0"
