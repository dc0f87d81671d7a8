"""What the app does: one module a use case. An action takes the app and what happened on the page."""
