"""The web pages' files: served where they were built, and nothing outside their folder ever."""

from pathlib import Path

import httpx
import pytest

from live_trading.api.app import create_app


def client_of(pages: Path | None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(pages=pages), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://here")


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("not for you", encoding="utf-8")
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>pages</title>", encoding="utf-8")
    (dist / "assets" / "app-1a2b.js").write_text("let a = 1", encoding="utf-8")
    (dist / "link.txt").symlink_to(tmp_path / "secret.txt")
    return dist


async def test_files_are_served_and_every_other_address_is_the_page(pages: Path) -> None:
    async with client_of(pages) as client:
        asset = await client.get("/assets/app-1a2b.js")
        assert asset.text == "let a = 1"
        assert "immutable" in asset.headers["cache-control"]
        for path in ("/", "/operations/6f706e000000000000070000", "/journal?from=3"):
            page = await client.get(path)
            assert "<title>pages</title>" in page.text
            assert page.headers["cache-control"] == "no-cache"
        assert (await client.get("/assets/gone-1.js")).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/link.txt", "/..%5csecret.txt", "/%00"],
)
async def test_nothing_outside_the_folder_is_served(pages: Path, path: str) -> None:
    async with client_of(pages) as client:
        assert "not for you" not in (await client.get(path)).text


@pytest.mark.parametrize("path", ["/api/nowhere", "/ws/nowhere", "/metrics/x"])
async def test_address_of_the_interface_that_is_none_is_no_page(pages: Path, path: str) -> None:
    async with client_of(pages) as client:
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_without_pages_the_interface_says_how_to_build_them_and_its_documentation_needs_nobody_else() -> None:
    async with client_of(None) as client:
        assert "make web" in (await client.get("/")).text
        assert (await client.get("/operations")).status_code == 404
        docs = (await client.get("/docs")).text
        assert "http://" not in docs
        assert "https://" not in docs
        script = await client.get("/docs/page.js")
        assert "javascript" in script.headers["content-type"]
        assert (await client.get("/docs/../problems.py")).status_code in (200, 404)
        assert "def problem_of" not in (await client.get("/docs/..%2fproblems.py")).text
