"""The APIs that ModelTab speaks: one module each, behind the protocols of `base`."""
