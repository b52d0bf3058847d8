"""How much better one model is than another on the same rows: `gain`, by `paired` intervals and by `exchange`."""
