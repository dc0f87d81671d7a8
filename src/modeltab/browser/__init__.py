"""The edge: the only modules that import js or pyodide. What the browser does is wrapped here, nothing is decided."""
