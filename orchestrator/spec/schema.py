"""The JSON Schema of a workflow file, for editors."""

from __future__ import annotations

from typing import Any

from orchestrator.spec.models import Spec


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what a person may write, short forms included.

    What needs the data or several parts at once (columns, parameters, combinations) is for `cyclery check`.
    """
    document = Spec.model_json_schema(by_alias=True, mode="validation")
    document["required"] = [name for name in document["required"] if name != "name"]  # by default the file's
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document, "title": "Cyclery workflow"}
