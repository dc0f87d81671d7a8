"""The edge: the only modules that import js, pyodide or pyscript. What the browser does is wrapped here, nothing is decided."""
