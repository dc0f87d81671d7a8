"""Where models come from: addresses that people type, Hugging Face's repositories, our own catalogue."""
