"""Model files before they go anywhere: what they are, whether they are whole, where they will run."""
