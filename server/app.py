"""The whole wiring on one screen: which address leads to which function, for whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from server.auth import Role
from server.endpoints import health, openapi, pages
from server.endpoints.backups import Backups
from server.endpoints.customer import FORM_BYTES_MAX, Customer
from server.endpoints.desk import Desk
from server.endpoints.devices import Devices
from server.endpoints.erasure import Erasure
from server.endpoints.exports import Exports
from server.endpoints.guides import Guides
from server.endpoints.pages import page_routes
from server.endpoints.photos import PhotoLimits, PhotoService, photo_routes
from server.endpoints.sync import TIME_BYTES_MAX, Sync
from server.log import AccessLog
from server.metrics import Readings
from server.photo_access import PhotoAccess
from server.service import Service
from server.web import Function, SecurityHeaders, Web, exception_handlers

OFFICE = (Role.AGENT, Role.DISPATCHER, Role.STATION_HEAD, Role.SUPERVISOR, Role.HQ, Role.ADMIN)
COMMAND = (Role.DISPATCHER, Role.ADMIN)
INTAKE = (Role.AGENT, Role.DISPATCHER, Role.ADMIN)
READ_OUT = (Role.HQ, Role.INTEGRATOR, Role.SUPERVISOR, Role.ADMIN)
ADMIN = (Role.ADMIN,)
SCRAPERS = (Role.INTEGRATOR, Role.ADMIN)
HTML, TEXT = "text/html", "text/plain"


def create_app(service: Service, *, access_log: bool = True, web_app: Path = pages.BUILT) -> Starlette:
    """The application over a service; `web_app` is the folder of the built web app.

    The service is closed when the application's lifespan ends.
    """
    settings = service.settings
    web = Web(
        service.tokens,
        workers=settings.workers,
        phone_workers=settings.phone_workers,
        phones_at_once_max=settings.phones_at_once_max,
        request_bytes_max=settings.request_bytes_max,
        decompressed_bytes_max=settings.decompressed_bytes_max,
        waiting_max=settings.phones_waiting_max,
        bodies_bytes_max=settings.bodies_bytes_max,
        busy=service.storm.busy,
    )
    service.storm.watch(lambda: service.writer.waiting, lambda: web.phones.waiting)
    photo_store = health.PhotoStore(service.objects.uploads_open)
    service.metrics.read_also(Readings(service, web, photo_store))
    routes = _routes(service, web, photo_store)
    photos = PhotoAccess(service)
    routes += photo_routes(
        PhotoService(
            service.objects,
            photos.expected,
            service.photo_completed,
            photos.may_send,
            photos.may_read,
            photos.stand_in,
            service.now_ms,
            service.derivation,
            PhotoLimits(settings.photo_bytes_max, upload_expiry_ms=settings.upload_hours * 3_600_000),
            photos.erased,
        )
    )
    routes += page_routes(web_app)
    routes.append(Route("/openapi.json", web.handle(openapi.document(routes, settings.address)), methods=["GET"]))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        web.close()
        service.close()

    log = Middleware(AccessLog, new_id=service.new_id, metrics=service.metrics, tracing=service.tracing, lines=access_log)
    app = Starlette(
        routes=routes,
        middleware=[log, Middleware(SecurityHeaders)],
        exception_handlers=exception_handlers(),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # an unknown address is a problem document, never a redirect
    return app


def _routes(service: Service, web: Web, photo_store: health.PhotoStore) -> list[Route]:
    settings = service.settings
    sync, devices, desk, exports = Sync(service), Devices(service), Desk(service), Exports(service)
    guides, erasure = Guides(service), Erasure(service)
    customer = Customer(service)
    checks = {
        "database": lambda: None if service.reader().incarnation == service.incarnation else "another history",
        "disk": health.disk_free(settings.data, settings.disk_free_bytes_min),
        "drain": lambda: "draining" if service.draining else None,
    }
    rates = service.rates

    def get(path: str, function: Function, roles: tuple[Role, ...] | None = None) -> Route:
        return Route(path, web.handle(function, roles=roles), methods=["GET"])

    def post(path: str, function: Function, roles: tuple[Role, ...] | None = None, body_bytes_max: int | None = None) -> Route:
        return Route(path, web.handle(function, roles=roles, body_bytes_max=body_bytes_max), methods=["POST"])

    return [
        Route("/v1/sync", web.handle(sync.sync, quick=sync.idle, lane=web.phones), methods=["POST"]),
        Route("/v1/time", web.handle(sync.time, body_bytes_max=TIME_BYTES_MAX, lane=web.phones), methods=["POST"]),
        post("/v1/enrol", rates.guessed(devices.enrol)),
        post("/v1/token", rates.guessed(devices.token)),
        post("/v1/login", rates.guessed(devices.login, "login")),
        get("/v1/keys", devices.keys),
        post("/v1/enrol-codes", devices.new_code, ADMIN),
        post("/v1/tokens", devices.issue, ADMIN),
        post("/v1/devices/{device}/revoke", devices.revoke, ADMIN),
        post("/v1/backups", Backups(service).report, ADMIN),
        get("/v1/tickets", desk.list, OFFICE),
        post("/v1/tickets", desk.create, INTAKE),
        get("/v1/tickets/{ticket}", desk.show, OFFICE),
        post("/v1/tickets/{ticket}/erase", erasure.ticket, ADMIN),
        post("/v1/members/{member}/erase", erasure.member, ADMIN),
        post("/v1/retention", erasure.retention, ADMIN),
        post("/v1/tickets/{ticket}/{command}", desk.command, COMMAND),
        get("/v1/explain/{kind}/{id}", desk.explain, OFFICE),
        get("/v1/unplaced", desk.unplaced, INTAKE),
        post("/v1/dispatch", desk.dispatch, COMMAND),
        post("/v1/import/areas", desk.import_areas, ADMIN, settings.import_bytes_max),
        post("/v1/import/org", desk.import_org, ADMIN, settings.import_bytes_max),
        post("/v1/import/tickets", desk.import_tickets, ADMIN, settings.import_bytes_max),
        post("/v1/import/guide", guides.import_guide, ADMIN, settings.import_bytes_max),
        get("/v1/guides", guides.list, OFFICE),
        get("/v1/hq/feed", exports.feed, READ_OUT),
        get("/v1/hq/export/{kind}", exports.table, READ_OUT),
        get("/v1/hq/devices", exports.devices, READ_OUT),
        Route("/r/{token}", web.handle(rates.page(customer.show), lane=web.customers, media_type=HTML), methods=["GET"]),
        Route(
            "/r/{token}",
            web.handle(rates.page(customer.answer), body_bytes_max=FORM_BYTES_MAX, lane=web.customers, media_type=HTML),
            methods=["POST"],
        ),
        get("/livez", health.livez),
        get("/readyz", health.readyz(checks, {"photos": photo_store})),
        Route("/metrics", web.handle(health.metrics(service.metrics), roles=SCRAPERS, media_type=TEXT), methods=["GET"]),
    ]
