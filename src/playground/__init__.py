"""What runs in the playground's sandbox: a Python of its own, in a worker that can reach nothing of the app.

It talks to the page by messages alone, JSON objects with a "kind". Nothing here is imported by the app, or imports it.
"""
