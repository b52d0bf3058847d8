"""Records and documents in; the run document of the interface and the HTML report out."""
