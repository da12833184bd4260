"""A whole OpenStack Swift with its S3 door in one process: `python swift_node.py FOLDER` prints its port and serves until
its standard input ends.

Runs with `.venv-swift`, which `.ci/setup s3` makes; nothing of ours is imported here. The four servers are Swift's own,
on sockets that are bound before the rings name them, so no two nodes ever want one port.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")  # eventlet's word about itself
import eventlet  # type: ignore[import-not-found]  # lives in .venv-swift only  # noqa: E402
import eventlet.wsgi  # type: ignore[import-not-found]  # noqa: E402

eventlet.monkey_patch(all=False, socket=True, select=True, thread=True)

from swift.common.http_protocol import SwiftHttpProtocol  # type: ignore[import-not-found]  # noqa: E402
from swift.common.ring import RingBuilder  # type: ignore[import-not-found]  # noqa: E402
from swift.common.storage_policy import reload_storage_policies  # type: ignore[import-not-found]  # noqa: E402
from swift.common.utils import NullLogger, set_swift_dir  # type: ignore[import-not-found]  # noqa: E402
from swift.common.wsgi import loadapp  # type: ignore[import-not-found]  # noqa: E402

KINDS = ("account", "container", "object")
USER, SECRET = "test:tester", "testing"
PATIENT = "conn_timeout = 30\nnode_timeout = 60\ncontainer_update_timeout = 60\nclient_timeout = 60\n"
"""A busy machine must not make Swift give up on itself and list late what it has stored."""

DEFAULTS = """[DEFAULT]
swift_dir = {folder}/etc
devices = {folder}/srv
mount_check = false
log_level = CRITICAL
log_address = {folder}/no-log
fallocate_reserve = 0
disable_fallocate = true
"""

BACKEND = (
    DEFAULTS + "{patient}[pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n{patient}"
)

FRONT = (
    DEFAULTS
    + """[pipeline:main]
pipeline = catch_errors listing_formats bulk s3api tempauth slo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
{patient}recheck_container_existence = 0
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin .reseller_admin
[filter:slo]
use = egg:swift#slo
[filter:symlink]
use = egg:swift#symlink
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
"""
)


def write_settings(folder: Path, ports: dict[str, int]) -> None:
    etc = folder / "etc"
    for made in (etc, folder / "srv" / "d1"):
        made.mkdir(parents=True)
    (etc / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = s\n[storage-policy:0]\nname = p0\ndefault = yes\n")
    set_swift_dir(str(etc))
    reload_storage_policies()
    words = {"folder": folder, "patient": PATIENT, "secret": SECRET}
    for kind in KINDS:
        ring = RingBuilder(1, 1, 0)
        ring.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": ports[kind], "device": "d1", "weight": 1})
        ring.rebalance()
        ring.get_ring().save(str(etc / f"{kind}.ring.gz"))
        (etc / f"{kind}.conf").write_text(BACKEND.format(kind=kind, **words))
    (etc / "proxy.conf").write_text(FRONT.format(**words))


def main(folder: Path) -> None:
    sockets = {kind: eventlet.listen(("127.0.0.1", 0), backlog=512) for kind in (*KINDS, "proxy")}
    write_settings(folder, {kind: listener.getsockname()[1] for kind, listener in sockets.items()})
    for kind, listener in sockets.items():
        app = loadapp(str(folder / "etc" / f"{kind}.conf"), {"log_name": kind})
        # As Swift's own runner does it, but for all four in one process. boto3 wants ETag, not Etag.
        how = {"protocol": SwiftHttpProtocol, "capitalize_response_headers": False}
        eventlet.spawn(eventlet.wsgi.server, listener, app, NullLogger(), **how)
    print(sockets["proxy"].getsockname()[1], flush=True)
    eventlet.spawn(end_with_the_parent)
    while True:
        eventlet.sleep(3600)


def end_with_the_parent() -> None:
    eventlet.tpool.execute(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
