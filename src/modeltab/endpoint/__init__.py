"""The API in the tab, without the browser: what other pages ask, and what they are answered."""
