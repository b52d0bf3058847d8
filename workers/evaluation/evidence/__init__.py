"""What an evaluation tells beside its metrics: each module one part of the document, put together by `judging`."""
