"""A registry behind TLS and a login: asked and filled with the right ones, and a wrong one is named."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from bondmate_hub.registry.server import RegistryConfig, serving
from bondmate_kafka.errors import ProvisioningError
from bondmate_kafka.registration import register_schemas
from bondmate_kafka.registry import RegistrySchemaIds
from bondmate_kafka.security import Credentials, RegistryAccess, Tls
from bondmate_schemas.catalogue import topics
from bondmate_schemas.codec import SchemaUnavailableError, schema_text
from tak_servers.authority import Authority

RIGHT = Credentials("reader", "right")


@asynccontextmanager
async def behind_tls(url: str, authority: Authority, login: Credentials) -> AsyncIterator[str]:
    """Serve what `url` serves, to whoever logs in."""
    own = authority.issue("registry")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    wanted = RegistryAccess(login=login).headers()["Authorization"]

    async def passed_on(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != wanted:
            return web.json_response({"error_code": 401, "message": "Unauthorized"}, status=401)
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, f"{url}{request.rel_url}", data=await request.read(), headers=headers
            ) as answer,
        ):
            return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", passed_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_registry_is_asked_and_filled_by_login_and_its_refusals_are_named(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    trusted, foreign = Tls(authority.issue("hub").ca), Tls(stranger.issue("x").ca)
    wanted = topics(destinations=["room"])[:3]
    async with (
        serving(RegistryConfig(data_dir=tmp_path / "registry", host="127.0.0.1", port=0)) as inner,
        behind_tls(inner, authority, RIGHT) as url,
    ):

        def filled(login: Credentials, tls: Tls = trusted) -> int:
            return len(register_schemas(url, wanted, schema_text, RegistryAccess(tls, login)))

        def asked(login: Credentials, tls: Tls = trusted) -> int:
            return RegistrySchemaIds(url, RegistryAccess(tls, login)).id_of("DeviceAlert")

        wrong = Credentials("reader", "wrong")
        with pytest.raises(ProvisioningError, match=r"refuses the login .*kafka\.registry_login"):
            await asyncio.to_thread(filled, wrong)
        done = await asyncio.to_thread(filled, RIGHT)
        with pytest.raises(SchemaUnavailableError, match=r"refuses the login .*kafka\.registry_login"):
            await asyncio.to_thread(asked, wrong)
        with pytest.raises(SchemaUnavailableError, match=r"not trusted.*kafka\.registry_tls\.ca_file"):
            await asyncio.to_thread(asked, RIGHT, foreign)
        known = await asyncio.to_thread(RegistrySchemaIds(url, RegistryAccess(trusted, RIGHT)).schema_of, 1)

    assert done > 0
    assert "eu.bondmate" in known
