"""Where photos are kept, as the settings name it: the one place that turns `LAMPLIGHTER_OBJECTS_URL` into a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import structlog

from server.settings import BadSetting, Settings
from server.storage.folder import FolderObjects
from server.storage.objects import Objects
from sync.problems import Refused

if TYPE_CHECKING:
    from server.storage.s3 import S3Objects


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """`s3://name/prefix`."""

    name: str
    prefix: str


def objects_place(settings: Settings) -> Path | BucketPlace:
    """The folder or bucket the settings name. Raises: `BadSetting`."""
    parts = urlsplit(settings.objects)
    if parts.scheme == "file" and not parts.netloc:
        return Path(unquote(parts.path))
    if parts.scheme == "s3" and parts.netloc and not parts.query and "@" not in parts.netloc:
        return BucketPlace(parts.netloc, parts.path.strip("/"))
    raise BadSetting("LAMPLIGHTER_OBJECTS_URL: must be file:///FOLDER or s3://BUCKET/PREFIX; secrets do not belong in it.")


def objects_of(settings: Settings) -> Objects:
    """The store the settings name, ready for use. Raises: `BadSetting` when its bucket cannot be used.

    A store that does not answer now is no reason not to start: facts do without it, and photos are `busy` until it does.
    """
    place = objects_place(settings)
    if isinstance(place, Path):
        return FolderObjects(place)
    store = _s3(settings, place)
    try:
        fault = store.bucket.look()
    except Refused:
        structlog.get_logger().warning("the object store does not answer yet; photos wait")
        fault = None
    if fault:
        raise BadSetting(f"LAMPLIGHTER_OBJECTS_URL: {fault}.")
    return store


def look(settings: Settings) -> tuple[bool, str]:
    """Whether photos can be kept where the settings say, and how that looks: for `doctor`."""
    try:
        place = objects_place(settings)
        return (True, f"the folder {place}") if isinstance(place, Path) else _look_at_bucket(_s3(settings, place), place)
    except (BadSetting, Refused) as error:
        return False, str(error)


def _look_at_bucket(store: S3Objects, place: BucketPlace) -> tuple[bool, str]:
    fault = store.bucket.look()
    if fault:
        return False, fault
    if store.bucket.versioned():
        return False, f"the bucket {place.name} keeps versions: what is erased would stay; switch versioning off"
    return True, f"the bucket {place.name}, below {place.prefix or 'its root'}"


def _s3(settings: Settings, place: BucketPlace) -> S3Objects:
    from server.storage.bucket import Bucket, BucketOptions  # here, because a folder needs none of boto3's 30 MB
    from server.storage.s3 import S3Objects

    options = BucketOptions(
        place.name,
        endpoint=settings.s3_endpoint,
        public_endpoint=settings.s3_public_endpoint,
        region=settings.s3_region,
        addressing=settings.s3_addressing,
        checksums=settings.s3_checksums,
        timeout_s=settings.s3_timeout_s,
        attempts_max=settings.s3_attempts_max,
    )
    return S3Objects(Bucket(options), place.prefix, link_s=settings.objects_redirect_s if settings.objects_redirect else None)
