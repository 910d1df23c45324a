"""Every tool, called as an assistant does: by a real MCP client."""

import ast
import asyncio
import base64

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from tests.helpers.video_clips import scene, write_clip


def call(url, tool, **arguments):
    """A tool's answer as text, with all that it says on top."""

    async def session():
        async with streamablehttp_client(f"{url}gradio_api/mcp/") as (read, write, _):
            async with ClientSession(read, write) as client:
                await client.initialize()
                tools = {known.name.rpartition("_mcp_")[2]: known for known in (await client.list_tools()).tools}
                (name,) = (known.name for known in tools.values() if known.name.endswith(tool))
                return tools, await client.call_tool(name, arguments)

    tools, answer = asyncio.run(session())
    text = "\n".join(content.text for content in answer.content if content.type == "text")
    return tools, answer, text


def data_uri(file, kind):
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


@pytest.fixture(scope="module")
def photo(astronaut_file):
    return data_uri(astronaut_file, "image/png")


@pytest.mark.parametrize("tool", ["predict", "compare", "occlusion"])
def test_tools_for_a_photo(tiny_app, photo, tool):
    _, answer, text = call(tiny_app.url, tool, photo=photo)
    assert not answer.isError, text
    assert len(ast.literal_eval(text)["faces"]) == 1


def test_many_photos(tiny_app, photo):
    _, answer, text = call(tiny_app.url, "many_photos", photos=[photo, photo])
    assert not answer.isError, text
    assert text.count('"label"') == 2 or text.count("'label'") == 2, text


def test_very_many_photos_are_refused_before_they_are_files(tiny_app):
    before = len(list(tiny_app.temporary.rglob("*")))
    photos = [f"data:image/png;base64,{base64.b64encode(bytes([number])).decode()}" for number in range(100)]
    _, answer, text = call(tiny_app.url, "many_photos", photos=photos)
    assert answer.isError and "the limit is 50" in text
    assert len(list(tiny_app.temporary.rglob("*"))) < before + 100


def test_video(tiny_app, astronaut, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20)] * 3)
    _, answer, text = call(tiny_app.url, "video", video=data_uri(clip, "video/mp4"), smoothing=0)
    assert not answer.isError, text
    assert "person" in text


def test_figures_and_schemas(tiny_app):
    tools, answer, text = call(tiny_app.url, "figures")
    assert not answer.isError, text
    assert len(tools) == 6
    for tool in tools.values():
        assert dangling(tool.inputSchema) == [], tool.name


def dangling(schema, root=None):
    """References in a schema that lead nowhere."""
    root = schema if root is None else root
    if isinstance(schema, list):
        return [found for part in schema for found in dangling(part, root)]
    if not isinstance(schema, dict):
        return []
    target, here = root, []
    for step in str(schema.get("$ref", "#")).split("/")[1:]:
        target = target.get(step) if isinstance(target, dict) else None
    if target is None:
        here = [schema["$ref"]]
    return here + [found for part in schema.values() for found in dangling(part, root)]
