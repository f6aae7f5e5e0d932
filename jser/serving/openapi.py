"""The interface as OpenAPI 3.1, which ``GET /openapi.json`` answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jser.serving.limits import Limits

_NUMBER = {"type": "number"}
_STRING = {"type": "string"}
_SENTENCES = {"type": "array", "items": _STRING}
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_WRONG = {
    400: "The request is damaged, or asks for another host.",
    403: "It comes from another site's page.",
    408: "Its body did not arrive in time.",
    413: "It is too large, or a recording too long.",
    415: "Its body is no multipart form.",
    422: "A field or a file cannot be used.",
    429: "The client has come too often within a minute.",
    503: "Too many requests are in work or wait, or the server is ending.",
}


def _object(**entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": entries,
        "required": list(entries),
        "additionalProperties": False,
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _wrong(*statuses: int) -> dict[str, Any]:
    return {str(status): _answer(_ref("Error"), _WRONG[status]) for status in statuses}


def _get(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "get": {
            "summary": text,
            "operationId": text.split(":")[0].lower().replace(" ", "_"),
            "responses": {"200": _answer(schema, text), **_wrong(400)},
        }
    }


def _post(
    name: str, text: str, fields: dict[str, Any], required: Sequence[str], schema: dict[str, Any]
) -> dict[str, Any]:
    form = {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }
    encoding = {"file": {"contentType": "application/octet-stream"}}
    return {
        "post": {
            "summary": text,
            "operationId": name,
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": {"schema": form, "encoding": encoding}},
            },
            "responses": {"200": _answer(schema, text), **_wrong(*_WRONG)},
        }
    }


_FILE = {"type": "string", "format": "binary", "description": "What libsndfile reads."}
_SURE = {
    "type": "number",
    "minimum": 0,
    "maximum": 1,
    "default": 0,
    "description": "Below this probability the label is 'not sure'.",
}
_FLAG = {"type": "boolean", "default": False}


def _schemas(classes: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "path": {**_STRING, "description": "The file's name, as it was sent."},
        "start": {**_NUMBER, "description": "Seconds."},
        "end": {**_NUMBER, "description": "Seconds."},
        "label": {"enum": [*classes, "not sure", "silence"]},
        "probabilities": _or_null(
            _object(**{name: {"type": "number", "minimum": 0, "maximum": 1} for name in classes})
        ),
        "warnings": {**_SENTENCES, "description": "In what it is unlike the training recordings."},
    }
    attention = _object(
        weights=_list(_NUMBER),
        bounds=_list({"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}),
    )
    return {
        "Error": _object(error={**_STRING, "description": "One sentence."}),
        "Row": _object(**row),
        "Window": _object(**row, attention=_or_null(attention)),
        "Predicted": _object(
            rows=_list(_ref("Row")),
            errors=_list(_object(path=_STRING, error=_STRING)),
        ),
        "Look": _object(
            path=_STRING,
            seconds=_NUMBER,
            answer=_ref("Row"),
            windows=_list(_ref("Window")),
            waveform=_object(
                columns={"type": "integer"},
                seconds_a_column=_NUMBER,
                low={**_BASE64, "description": "Signed bytes, 127 is full scale."},
                high=_BASE64,
            ),
            log_mel=_object(
                columns={"type": "integer"},
                bands={"type": "integer"},
                start={**_NUMBER, "description": "Seconds, of the first column's left edge."},
                seconds_a_column=_NUMBER,
                levels={
                    **_BASE64,
                    "description": "Bytes, column after column, low bands first; 255 is the "
                    "loudest point.",
                },
                range_db={**_NUMBER, "description": "From 255 to 0 at most."},
                band_hz=_list(_NUMBER),
                attention=_list(_or_null(_NUMBER)),
            ),
            sound=_or_null({**_BASE64, "description": "FLAC: what the model heard."}),
        ),
    }


def document(version: str, classes: Sequence[str], limits: Limits) -> dict[str, Any]:
    """The whole of it.

    Args:
        version: of jser.
        classes: of the artefact.
        limits: of the server.
    """
    files = {"type": "array", "items": _FILE, "minItems": 1, "maxItems": limits.max_files}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jser serve",
            "version": version,
            "description": "Emotion in recorded speech, by one artefact. Nothing that is sent is "
            f"kept. A request may have {limits.max_mb:g} MB, a recording {limits.max_seconds:g} s.",
        },
        "paths": {
            "/healthz": _get(
                "Health: whether the server answers",
                _object(status={"const": "ready"}, waiting={"type": "integer", "minimum": 0}),
            ),
            "/api/info": _get("Info: what answers, and the limits", {"type": "object"}),
            "/api/predict": _post(
                "predict",
                "A row a recording, or a window; a broken file has a sentence instead",
                {"file": files, "timeline": _FLAG, "sure": _SURE},
                ["file"],
                _ref("Predicted"),
            ),
            "/api/look": _post(
                "look",
                "One recording: answer, windows, attention, waveform and spectrogram",
                {
                    "file": _FILE,
                    "sure": _SURE,
                    "sound": {**_FLAG, "description": "With what the model heard, as FLAC."},
                },
                ["file"],
                _ref("Look"),
            ),
        },
        "components": {"schemas": _schemas(classes)},
    }
