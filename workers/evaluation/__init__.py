"""A model on rows that it has not seen: metrics with intervals, slices; `evidence`, `differences` and `gates`."""
