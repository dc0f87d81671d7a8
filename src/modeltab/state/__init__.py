"""The app's one state and the store that holds it."""
