"""Code that sends one request: a plain value for the request, and one module a language that writes it."""
