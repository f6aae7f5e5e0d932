"""The interface keeps to its OpenAPI: by true answers, and by requests that are made up."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from jser.serving import openapi
from jser.serving.limits import Limits
from tests.frontend.good_files import encoded
from tests.fuzz.sounds import voice
from tests.serving import process

CONFIG = Path(__file__).with_name("schemathesis.toml")


def check(document, path, method, answer):
    operation = document["paths"][path][method]
    content = operation["responses"][str(answer.status_code)]["content"]["application/json"]
    schema = {**content["schema"], "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer.json())


def test_true_answers_are_as_promised(asked, heard):
    document = openapi.document("1", heard.classes, Limits())
    long = ("a.wav", encoded(voice(1, 6.0), "WAV", "PCM_16"))
    bad = ("b.wav", b"no sound")

    async def use(client):
        served = (await client.get("/openapi.json")).json()
        assert served["paths"].keys() == document["paths"].keys()
        for path in ("/healthz", "/api/info"):
            check(document, path, "get", await client.get(path))
        for sound in ("true", "false"):
            answer = await client.post("/api/look", files={"file": long}, data={"sound": sound})
            assert answer.status_code == 200
            check(document, "/api/look", "post", answer)
        for timeline in ("true", "false"):
            sent = {"timeline": timeline, "sure": "0.99"}
            files = [("file", long), ("file", bad)]
            answer = await client.post("/api/predict", files=files, data=sent)
            assert answer.json()["rows"]
            assert answer.json()["errors"]
            check(document, "/api/predict", "post", answer)
        answer = await client.post("/api/look", files={"file": bad})
        assert answer.status_code == 422
        check(document, "/api/look", "post", answer)

    asked(use)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="not installed")
def test_requests_that_schemathesis_makes_up(artefact, xla_cache, tmp_path):
    environment = {"JAX_COMPILATION_CACHE_DIR": str(xla_cache), "JSER_DATA": str(tmp_path)}
    with process.serving(artefact, "--per_minute=1000000", **environment) as server:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIG}", "run"),
            *(f"{server.url}openapi.json", "--checks=all", "--continue-on-failure"),
            *("--max-examples=300", "--seed=0"),
        ]
        env = os.environ | {"PYTHONPATH": str(CONFIG.parents[2])}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        assert server.end() == 0
    assert [line for line in server.errors if "Traceback" in line] == []
